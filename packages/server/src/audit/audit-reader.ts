import { type AuditAnchor, type AuditEntry, type AuditVerificationLine, WharfError } from "@wharf/contract";
import type { HashedEntry } from "@wharf/contract/audit";
import { parseCursor, toPage, type Database, type PageQuery } from "../store/index.ts";
import { type EntryQuery, findEntries, presentEntry } from "./find-entries.ts";
import { findFullId } from "./find-full-id.ts";
import { verifyChain } from "./verify-chain.ts";

/** Entries of one step of an export. */
const exportPageSize = 1_000;

/** Reads the audit log: pages, exports, and whether it is intact. */
export class AuditReader {
  readonly #db: Pick<Database, "execute" | "select">;

  constructor(db: Pick<Database, "execute" | "select">) {
    this.#db = db;
  }

  /** Returns the newest entries, or those before the cursor. */
  async list(query: EntryQuery & PageQuery): Promise<{ entries: AuditEntry[]; next_cursor?: string }> {
    const after = parseCursor(query.cursor, ["number"])?.[0];
    const found = await findEntries(this.#db, query, {
      limit: query.limit + 1,
      order: "newest",
      after: after === undefined ? undefined : Number(after),
    });
    const cursorAfter = ({ sequence }: AuditEntry) => [String(sequence)];
    const { rows, ...end } = toPage(found.map(presentEntry), { limit: query.limit, cursorAfter });
    return { entries: rows, ...end };
  }

  /** Yields pages of all entries, the oldest first. */
  async *export(query: EntryQuery): AsyncGenerator<HashedEntry[], void, undefined> {
    for (let after = 0; ;) {
      const page = await findEntries(this.#db, query, { limit: exportPageSize, order: "oldest", after });
      if (page.length > 0) yield page;
      const last = page.at(-1);
      if (!last || page.length < exportPageSize) return;
      after = last.sequence;
    }
  }

  /** Returns the full form of a shortened id, if it belongs to the organisation. */
  findFullId(kind: string, id: string, organizationId: string): Promise<string> {
    return findFullId(this.#db, { kind, id, organizationId });
  }

  verify(anchor?: AuditAnchor): AsyncGenerator<AuditVerificationLine, void, undefined> {
    return verifyChain(this.#db, anchor);
  }
}

/** Both parts of an anchor, or none. */
export function parseAnchor(sequence: number | undefined, hash: string | undefined): AuditAnchor | undefined {
  if (sequence !== undefined && hash !== undefined) return { sequence, hash };
  if (sequence === undefined && hash === undefined) return undefined;
  const path = sequence === undefined ? "anchor_sequence" : "anchor_hash";
  throw new WharfError("bad_request", { issues: [{ path, message: "an anchor needs its sequence and its hash" }] });
}
