import { basename, join } from "node:path";
import { WharfError } from "@wharf/contract";
import type { SecretMatcher } from "../../../redaction/index.ts";
import { parseGitReason } from "../git-error.ts";
import { runGit } from "../run-git.ts";
import { ObjectReader } from "./object-reader.ts";
import { ObjectScan, type SecretFinding } from "./object-scan.ts";

export interface PushScan {
  readonly mirror: string;
  /** The folder in which git keeps the push's objects until it is accepted. */
  readonly quarantine: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly matcher: SecretMatcher;
  /** Fingerprints that a person has allowed. */
  readonly allowedFingerprints: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

/** More findings of an object are not collected: one of them is enough to refuse the push. */
const maxFindingsPerObject = 20;
/**
 * A push with more of them is refused without asking which objects the mirror has: those that it
 * has must not take the place of those that are new.
 */
const maxFindings = 5_000;
const maxListedFindings = 5;
const maxPathLength = 200;

/**
 * Scans all objects that a push adds: the content of files, commits and tags for known secrets and
 * for what looks like one, the names of files for known secrets. Returns the reason to refuse the
 * push, if any.
 *
 * Objects that the mirror already has are not the push's: git adds some to complete deltas.
 */
export async function scanPush(scan: PushScan): Promise<string | undefined> {
  if (scan.quarantine === "") return undefined;
  const findings = await collectFindings(scan);
  if (findings.length >= maxFindings) return "the push contains too many texts that look like secrets";
  const existingIds = await findExistingIds(scan, findings);
  const added = findings.filter(({ object }) => !existingIds.has(object.id));
  if (added.length === 0) return undefined;
  return formatReason(added, await findPaths(scan, added), scan.matcher);
}

const getQuarantinePath = ({ mirror, quarantine }: PushScan): string => join(mirror, "objects", basename(quarantine));

async function collectFindings(scan: PushScan): Promise<SecretFinding[]> {
  const { allowedFingerprints, environment, matcher, mirror, signal } = scan;
  const findings = new Map<string, SecretFinding>();
  const countsByObject = new Map<string, number>();
  const addFinding = (finding: SecretFinding) => {
    const { fingerprint, object, rule, description } = finding;
    if (fingerprint !== undefined && allowedFingerprints.has(fingerprint)) return;
    const key = `${object.id} ${rule} ${description} ${fingerprint}`;
    const count = countsByObject.get(object.id) ?? 0;
    if (findings.size >= maxFindings || count >= maxFindingsPerObject || findings.has(key)) return;
    findings.set(key, finding);
    countsByObject.set(object.id, count + 1);
  };
  const reader = new ObjectReader((object) => new ObjectScan({ object, matcher, onFinding: addFinding }));
  const args = [`--git-dir=${mirror}`, "cat-file", "--batch-all-objects", "--unordered", "--buffer", "--batch"];
  const scanned = await runGit(args, {
    environment: { ...environment, GIT_OBJECT_DIRECTORY: getQuarantinePath(scan) },
    signal,
    onOutput: (chunk) => reader.addChunk(chunk),
  });
  // A scan that ended early has seen only a part of the push.
  if (scanned.code !== 0 || !reader.isComplete)
    throw new WharfError("git_failed", { command: "cat-file", reason: parseGitReason(scanned.stderr) });
  return [...findings.values()];
}

/** Returns which of the objects the mirror has without the push. */
async function findExistingIds(
  { environment, mirror, signal }: PushScan,
  findings: readonly SecretFinding[],
): Promise<ReadonlySet<string>> {
  if (findings.length === 0) return new Set();
  const ids = [...new Set(findings.map(({ object }) => object.id))];
  const args = [`--git-dir=${mirror}`, "cat-file", "--batch-check=%(objectname) exists"];
  const { stdout } = await runGit(args, { environment, signal, input: ids.map((id) => `${id}\n`).join("") });
  const lines = new Set(stdout.split("\n"));
  return new Set(ids.filter((id) => lines.has(`${id} exists`)));
}

/** Returns a path of each object that has one. */
async function findPaths(scan: PushScan, findings: readonly SecretFinding[]): Promise<ReadonlyMap<string, string>> {
  const { environment, mirror, signal } = scan;
  const wanted = new Set(findings.map(({ object }) => object.id));
  const paths = new Map<string, string>();
  let partial = "";
  const addLines = (chunk: Buffer) => {
    const lines = (partial + chunk.toString("utf8")).split("\n");
    partial = lines.pop() ?? "";
    for (const line of lines) {
      const [id = "", ...rest] = line.split(" ");
      if (wanted.has(id) && rest.length > 0) paths.set(id, rest.join(" "));
    }
  };
  const quarantineEnvironment = {
    ...environment,
    GIT_OBJECT_DIRECTORY: getQuarantinePath(scan),
    GIT_ALTERNATE_OBJECT_DIRECTORIES: join(mirror, "objects"),
  };
  const listArgs = ["cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objecttype) %(objectname)"];
  const listed = await runGit([`--git-dir=${mirror}`, ...listArgs], {
    environment: { ...environment, GIT_OBJECT_DIRECTORY: getQuarantinePath(scan) },
    signal,
  });
  const commits = [...listed.stdout.matchAll(/^commit ([0-9a-f]+)$/gm)].map(([, id]) => `${id}\n`);
  const args = [`--git-dir=${mirror}`, "rev-list", "--objects", "--stdin", "--not", "--all"];
  await runGit(args, {
    environment: quarantineEnvironment,
    signal,
    input: commits.join(""),
    onOutput: addLines,
  });
  return paths;
}

/** One line, because git's hook shows it as one. */
function formatReason(
  findings: readonly SecretFinding[],
  paths: ReadonlyMap<string, string>,
  matcher: SecretMatcher,
): string {
  const lines = findings.slice(0, maxListedFindings).map(({ object, line, rule, description, fingerprint }) => {
    const path = matcher.redactText(paths.get(object.id) ?? "");
    const place = path === "" ? `${object.type} ${object.id.slice(0, 12)}` : path.slice(0, maxPathLength);
    const suffix = fingerprint === undefined ? rule : `${rule} ${fingerprint}`;
    return `${place.replaceAll(/[^\x20-\x7e]/g, "?")}:${line} ${description} [${suffix}]`;
  });
  const more = findings.length > maxListedFindings ? `; and ${findings.length - maxListedFindings} more` : "";
  const isAllowable = findings.every(({ fingerprint }) => fingerprint !== undefined);
  const next = isAllowable
    ? "remove it from every commit of the push, or ask a person to allow it: wharf task push <task> --allow-secret <fingerprint>"
    : "remove it from every commit of the push";
  return `the push contains secrets: ${lines.join("; ")}${more}; ${next}`;
}
