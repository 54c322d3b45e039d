import { copyFile, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { GitDiff } from "@wharf/contract";
import { diffFormat, parseChanges } from "@wharf/contract/git-output";
import { isSystemError } from "../file-system/files.ts";
import { git, type GitOptions } from "./command.ts";
import { getHeadCommit } from "./revisions.ts";
import { stageAll } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

const maxPatchBytes = 5 * 1024 * 1024;
const maxFiles = 10_000;

export interface CompareInput {
  /** The base is the commit's full id. */
  base: string;
  /** Restricts the diff to this file or folder. */
  path?: string | undefined;
  /** Omits the patch and returns only the figures. */
  stat?: boolean;
}

/**
 * Compares the working tree, including untracked files, with a commit. The agent's index is not
 * touched.
 */
export async function compareWithCommit(
  workspace: Workspace,
  { base, path, stat = false }: CompareInput,
): Promise<GitDiff> {
  const head = await getHeadCommit(workspace);
  const index = join(workspace.state, "diff.index");
  const paths = path === undefined ? [] : [path];
  try {
    await copyIndex(workspace, index);
    const environment = { GIT_INDEX_FILE: index };
    await stageAll(workspace, environment);
    const options = workspace.options({ environment });
    return { base, head, ...(await readDiff(["--cached", base, "--", ...paths], { options, stat })) };
  } finally {
    await rm(index, { force: true });
    await rm(`${index}.lock`, { force: true });
  }
}

/** Compares two commits; `base` may also be a tree. */
export async function compareCommits(
  workspace: Workspace,
  { base, head, path, stat = false }: CompareInput & { readonly head: string },
): Promise<GitDiff> {
  const paths = path === undefined ? [] : [path];
  const options = workspace.options();
  return { base, head, ...(await readDiff([base, head, "--", ...paths], { options, stat })) };
}

async function readDiff(
  sides: readonly string[],
  { options, stat }: { options: GitOptions; stat: boolean },
): Promise<Pick<GitDiff, "files" | "patch" | "truncated">> {
  const listing = await git(["diff", "--raw", "--numstat", "-z", ...diffFormat, ...sides], options);
  const files = parseChanges(listing.stdout);
  const patch = stat
    ? { stdout: "", truncated: false }
    : await git(["diff", "--patch", ...diffFormat, ...sides], { ...options, maxOutputBytes: maxPatchBytes });
  return {
    files: files.slice(0, maxFiles),
    patch: patch.stdout,
    truncated: listing.truncated || patch.truncated || files.length > maxFiles,
  };
}

/** Copies the real index, so that git need not read unchanged files again. */
async function copyIndex(workspace: Workspace, target: string): Promise<void> {
  const { stdout } = await git(["rev-parse", "--absolute-git-dir"], workspace.options());
  const source = join(stdout.trim(), "index");
  try {
    const { atime, mtime } = await stat(source);
    await copyFile(source, target);
    // git uses the index's own modification time to decide which entries it must not trust.
    await utimes(target, atime, mtime);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}
