import { lstat } from "node:fs/promises";
import { isTemporary } from "../support/temporary.ts";
import { git, GitFailure, type GitOptions } from "./command.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Brings all of the working tree into the index. Not with `git add`: that starts git inside each submodule, under the
 * settings the agent gave it there, and it fails as a whole for one nested repository without a commit. A file that
 * cannot be read, or a pipe where a file was, keeps itself out of the index and nothing else, and so does one that is
 * larger than the workspace's limit: git would keep it in every clone for good.
 */
export async function stageAll(workspace: Workspace, environment: Record<string, string> = {}): Promise<Staged> {
  const refused = new Set<string>();
  const large = new Map<string, number>();
  const added = new Set<string>();
  const how = ["--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=dirty", "--no-renames"];
  for (let more = true; more;) {
    // Names that are no UTF-8 stay what they are.
    const options = workspace.options({ environment, binary: true });
    const { stdout, truncated } = await git(["status", ...how], options);
    const found = changedPaths(truncated ? stdout.slice(0, stdout.lastIndexOf("\0") + 1) : stdout);
    if (found.deleted.length > 0) {
      // Forced: what lies beneath a folder that became a link is refused otherwise.
      const args = ["update-index", "-z", "--force-remove", "--stdin"];
      await git(args, { ...options, input: listOf(found.deleted) });
    }
    const sizes = await findLarge(workspace, found.present);
    for (const [path, bytes] of sizes) large.set(toText(path), bytes);
    for (const path of found.added) added.add(path);
    const present = found.present.filter((path) => !sizes.has(path));
    const { taken, refused: now } = await take(present, options);
    for (const path of now) refused.add(toText(path));
    for (const path of found.nested) {
      // A repository without a commit has nothing that could be recorded.
      const args = ["update-index", "-z", "--add", "--replace", "--stdin"];
      await git(args, { ...options, input: listOf([path]), accept: [128] });
    }
    more = truncated && found.deleted.length + taken > 0;
  }
  return { refused: [...refused], large, added: [...added].map(toText) };
}

export interface Staged {
  /** Files that git cannot take: for their name, or because they cannot be read. */
  readonly refused: readonly string[];
  /** Files over the limit that were left out, with their sizes in bytes. */
  readonly large: ReadonlyMap<string, number>;
  /** Files that are new to git. */
  readonly added: readonly string[];
}

/** How many files are looked at side by side. */
const batchSize = 256;

async function findLarge(
  { folder, maxFileBytes }: Workspace,
  paths: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const large = new Map<string, number>();
  const root = Buffer.from(`${folder}/`);
  for (let at = 0; at < paths.length; at += batchSize) {
    const look = async (path: string) => {
      const stats = await lstat(Buffer.concat([root, Buffer.from(path, "latin1")])).catch(() => undefined);
      if (stats?.isFile() && stats.size > maxFileBytes) large.set(path, stats.size);
    };
    await Promise.all(paths.slice(at, at + batchSize).map(look));
  }
  return large;
}

const toBytes = (path: string): string => Buffer.from(path, "utf8").toString("latin1");
/** A name as a person reads it, of one whose characters are bytes. */
const toText = (path: string): string => Buffer.from(path, "latin1").toString("utf8");

/** git stops at the first that it cannot take: that one is found by halves. */
async function take(paths: readonly string[], options: GitOptions): Promise<{ taken: number; refused: string[] }> {
  if (paths.length === 0) return { taken: 0, refused: [] };
  try {
    const args = ["update-index", "-z", "--add", "--remove", "--replace", "--stdin"];
    const { stderr } = await git(args, { ...options, input: listOf(paths) });
    // For names such as `git~1`, which would be `.git` elsewhere, git says so and goes on.
    const refused = [...stderr.matchAll(/^Ignoring path (.+)$/gm)].map(([, path = ""]) => toBytes(path));
    return { taken: paths.length - refused.length, refused };
  } catch (error) {
    if (!(error instanceof GitFailure) || !error.stderr.includes("Unable to process path")) throw error;
    if (paths.length === 1) return { taken: 0, refused: [...paths] };
    const half = Math.ceil(paths.length / 2);
    const [first, second] = [await take(paths.slice(0, half), options), await take(paths.slice(half), options)];
    return { taken: first.taken + second.taken, refused: [...first.refused, ...second.refused] };
  }
}

interface ChangedPaths {
  readonly deleted: string[];
  readonly present: string[];
  /** Those of them that are new. */
  readonly added: string[];
  /** Repositories within the repository that are not known yet. */
  readonly nested: string[];
}

/** Only what differs between index and working tree. */
function changedPaths(text: string): ChangedPaths {
  const found: ChangedPaths = { deleted: [], present: [], added: [], nested: [] };
  for (const entry of text.split("\0")) {
    const [, mark, , y, rest] = /^([1u?]) (?:(.)(.) (.*))?/s.exec(entry) ?? [];
    if (mark === "?") {
      const path = entry.slice(2);
      if (isTemporary(path)) continue;
      if (path.endsWith("/")) found.nested.push(path.slice(0, -1));
      else {
        found.present.push(path);
        found.added.push(path);
      }
      continue;
    }
    if (rest === undefined || y === ".") continue;
    const path = rest
      .split(" ")
      .slice(mark === "u" ? 8 : 6)
      .join(" ");
    (y === "D" && mark === "1" ? found.deleted : found.present).push(path);
  }
  return found;
}

const listOf = (paths: readonly string[]): string => paths.map((path) => `${path}\0`).join("");
