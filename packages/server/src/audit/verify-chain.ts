import { AuditContent, type AuditAnchor, type AuditFault, type AuditVerificationLine } from "@wharf/contract";
import { ChainCheck } from "@wharf/contract/audit";
import { parseJson } from "../std/json.ts";
import type { Database } from "../store/index.ts";
import { findEntries } from "./find-entries.ts";
import { pruneAction } from "./prune-entries.ts";
import { type ChainEnds, readChainEnds } from "./read-chain-ends.ts";

/** Entries of one step: the memory that a verification needs. */
const pageSize = 5_000;

/**
 * Computes the whole chain again, and reports its progress and then the outcome. The chain may grow
 * meanwhile: the end is where it ended when no more entries followed.
 */
export async function* verifyChain(
  db: Pick<Database, "select">,
  anchor?: AuditAnchor,
): AsyncGenerator<AuditVerificationLine, void, undefined> {
  const first = await readChainEnds(db);
  if (!first) return yield createOutcome(new ChainCheck(), { fault: missingEnds });
  const check = new ChainCheck({ start: first.start, anchor });
  let isStartRecorded = first.start.sequence === 0;
  for (;;) {
    // Read before the page: all entries up to this end are committed.
    const ends = await readChainEnds(db);
    const page = await findEntries(db, {}, { limit: pageSize, order: "oldest", after: check.end.sequence });
    for (const entry of page) {
      if (!check.add(entry)) break;
      isStartRecorded ||= isPruningUpTo(first.start, entry.content);
    }
    const fault = check.fault ?? (page.length === 0 ? findEndFault(ends, check.end) : undefined);
    if (fault) {
      const isPrunedMeanwhile = (await readChainEnds(db))?.start.sequence !== first.start.sequence;
      if (isPrunedMeanwhile) return yield* verifyChain(db, anchor);
      return yield createOutcome(check, { fault, start: first.start, anchor });
    }
    if (page.length === 0) break;
    yield { type: "progress", checked: check.checked, end: ends?.end.sequence ?? 0 };
  }
  const fault = isStartRecorded ? findAnchorFault(check.end, anchor) : createStartFault(first.start);
  yield createOutcome(check, { fault, start: first.start, anchor });
}

const missingEnds: AuditFault = { kind: "end", sequence: 0, message: "The record of the chain's ends is missing." };

/** Compares the recorded end with the last entry. */
function findEndFault(ends: ChainEnds | undefined, last: AuditAnchor): AuditFault | undefined {
  if (!ends) return missingEnds;
  const { sequence, hash } = ends.end;
  if (sequence > last.sequence) {
    const range =
      sequence === last.sequence + 1 ? `Entry ${sequence} is` : `Entries ${last.sequence + 1} to ${sequence} are`;
    return { kind: "tail", sequence: last.sequence + 1, message: `${range} missing at the end of the log.` };
  }
  if (sequence === last.sequence && hash === last.hash) return undefined;
  const message = `The log ends with entry ${last.sequence}, but its recorded end is another one.`;
  return { kind: "end", sequence: last.sequence, message };
}

/** An entry records each pruning: a start without one was moved to hide entries. */
function isPruningUpTo({ sequence, hash }: AuditAnchor, content: string): boolean {
  if (!content.includes(pruneAction)) return false;
  const entry = AuditContent.safeParse(parseJson(content)).data;
  return (
    entry?.action === pruneAction &&
    entry.details?.["last_sequence"] === sequence &&
    entry.details["last_hash"] === hash
  );
}

const createStartFault = ({ sequence }: AuditAnchor): AuditFault => ({
  kind: "pruned",
  sequence: sequence + 1,
  message: `The log begins with entry ${sequence + 1}, and no entry says who removed those before.`,
});

function findAnchorFault(end: AuditAnchor, anchor: AuditAnchor | undefined): AuditFault | undefined {
  if (!anchor || anchor.sequence <= end.sequence) return undefined;
  const message = `The log ends with entry ${end.sequence}, before the anchor at entry ${anchor.sequence}.`;
  return { kind: "tail", sequence: end.sequence + 1, message };
}

function createOutcome(
  { checked, end }: ChainCheck,
  result: { fault: AuditFault | undefined; start?: AuditAnchor; anchor?: AuditAnchor | undefined },
): AuditVerificationLine {
  const { fault, start = { sequence: 0, hash: end.hash }, anchor } = result;
  const isBeforeStart = anchor !== undefined && anchor.sequence < start.sequence;
  const compared = isBeforeStart ? "pruned" : fault ? "differs" : "matches";
  return {
    type: "outcome",
    intact: fault === undefined,
    checked,
    start,
    end,
    ...(fault && { fault }),
    ...(anchor && { anchor: compared }),
  };
}
