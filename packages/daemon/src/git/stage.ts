import { lstat } from "node:fs/promises";
import { isTemporary } from "../file-system/temporary-name.ts";
import { toByteString } from "../std/byte-string.ts";
import { git, GitFailure, type GitOptions } from "./command.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Stages the whole working tree. `git add` does not work here: it starts git inside each submodule,
 * with the settings the agent gave it there, and it fails completely for one nested repository
 * without a commit. An unreadable file, or a pipe in place of a file, keeps only itself out of the
 * index. The same holds for a file larger than the workspace's limit: git would keep it in every
 * clone permanently.
 */
export async function stageAll(workspace: Workspace, environment: Record<string, string> = {}): Promise<StageResult> {
  const refusedPaths = new Set<string>();
  const large = new Map<string, number>();
  const addedPaths = new Set<string>();
  const statusOptions = ["--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=dirty", "--no-renames"];
  for (let hasMore = true; hasMore;) {
    // Names that are not UTF-8 stay unchanged.
    const options = workspace.options({ environment, binary: true });
    const { stdout, truncated } = await git(["status", ...statusOptions], options);
    const changes = parseChangedPaths(truncated ? stdout.slice(0, stdout.lastIndexOf("\0") + 1) : stdout);
    if (changes.deleted.length > 0) {
      // Without force, git refuses paths in a folder that became a link.
      const args = ["update-index", "-z", "--force-remove", "--stdin"];
      await git(args, { ...options, input: formatPathList(changes.deleted) });
    }
    const sizes = await findLargeFiles(workspace, changes.present);
    for (const [path, bytes] of sizes) large.set(toText(path), bytes);
    for (const path of changes.added) addedPaths.add(path);
    const present = changes.present.filter((path) => !sizes.has(path));
    const { stagedCount, refusedPaths: newlyRefused } = await stagePaths(present, options);
    for (const path of newlyRefused) refusedPaths.add(toText(path));
    for (const path of changes.nested) {
      // A repository without a commit has nothing to record.
      const args = ["update-index", "-z", "--add", "--replace", "--stdin"];
      await git(args, { ...options, input: formatPathList([path]), accept: [128] });
    }
    hasMore = truncated && changes.deleted.length + stagedCount > 0;
  }
  return { refusedPaths: [...refusedPaths], large, added: [...addedPaths].map(toText) };
}

export interface StageResult {
  /** git refuses these files for their name, or because they are unreadable. */
  readonly refusedPaths: readonly string[];
  /** Files over the limit were left out; the values are their sizes in bytes. */
  readonly large: ReadonlyMap<string, number>;
  /** These files are new to git. */
  readonly added: readonly string[];
}

/** Files are checked in parallel, this many at once. */
const batchSize = 256;

async function findLargeFiles(
  { folder, maxFileBytes }: Workspace,
  paths: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const large = new Map<string, number>();
  const root = Buffer.from(`${folder}/`);
  for (let offset = 0; offset < paths.length; offset += batchSize) {
    const checkSize = async (path: string) => {
      const stats = await lstat(Buffer.concat([root, Buffer.from(path, "latin1")])).catch(() => undefined);
      if (stats?.isFile() && stats.size > maxFileBytes) large.set(path, stats.size);
    };
    await Promise.all(paths.slice(offset, offset + batchSize).map(checkSize));
  }
  return large;
}

/** Decodes a name whose characters are bytes, for people. */
const toText = (path: string): string => Buffer.from(path, "latin1").toString("utf8");

/** Stages paths. git stops at the first path that it refuses: bisection finds that one. */
async function stagePaths(
  paths: readonly string[],
  options: GitOptions,
): Promise<{ stagedCount: number; refusedPaths: string[] }> {
  if (paths.length === 0) return { stagedCount: 0, refusedPaths: [] };
  try {
    const args = ["update-index", "-z", "--add", "--remove", "--replace", "--stdin"];
    const { stderr } = await git(args, { ...options, input: formatPathList(paths) });
    // git ignores names such as `git~1`, which would be `.git` elsewhere, with a message and
    // continues.
    const refusedPaths = [...stderr.matchAll(/^Ignoring path (.+)$/gm)].map(([, path = ""]) => toByteString(path));
    return { stagedCount: paths.length - refusedPaths.length, refusedPaths };
  } catch (error) {
    if (!(error instanceof GitFailure) || !error.stderr.includes("Unable to process path")) throw error;
    if (paths.length === 1) return { stagedCount: 0, refusedPaths: [...paths] };
    const half = Math.ceil(paths.length / 2);
    const [first, second] = [
      await stagePaths(paths.slice(0, half), options),
      await stagePaths(paths.slice(half), options),
    ];
    return {
      stagedCount: first.stagedCount + second.stagedCount,
      refusedPaths: [...first.refusedPaths, ...second.refusedPaths],
    };
  }
}

interface ChangedPaths {
  readonly deleted: string[];
  readonly present: string[];
  /** Some of the present files are new. */
  readonly added: string[];
  /** The nested repositories are not yet known to git. */
  readonly nested: string[];
}

/** Parses only the differences between index and working tree. */
function parseChangedPaths(text: string): ChangedPaths {
  const changes: ChangedPaths = { deleted: [], present: [], added: [], nested: [] };
  for (const entry of text.split("\0")) {
    const [, mark, , worktreeState, fields] = /^([1u?]) (?:(.)(.) (.*))?/s.exec(entry) ?? [];
    if (mark === "?") {
      const path = entry.slice(2);
      if (isTemporary(path)) continue;
      if (path.endsWith("/")) changes.nested.push(path.slice(0, -1));
      else {
        changes.present.push(path);
        changes.added.push(path);
      }
      continue;
    }
    if (fields === undefined || worktreeState === ".") continue;
    const path = fields
      .split(" ")
      .slice(mark === "u" ? 8 : 6)
      .join(" ");
    (worktreeState === "D" && mark === "1" ? changes.deleted : changes.present).push(path);
  }
  return changes;
}

const formatPathList = (paths: readonly string[]): string => paths.map((path) => `${path}\0`).join("");
