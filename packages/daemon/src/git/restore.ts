import type { GitRestore, GitRestored } from "@wharf/contract";
import { git } from "./command.ts";
import { resolveRevision } from "./revisions.ts";
import type { Workspace } from "./workspace.ts";

const maxListed = 10_000;

/**
 * Discards changes: returns files, in the index and in the working tree, to their state in a
 * revision, the newest commit by default. Files that git does not track stay, unless they are
 * requested; ignored files always stay.
 */
export async function restoreFiles(workspace: Workspace, input: GitRestore): Promise<GitRestored> {
  const { paths = ["."], from = "HEAD", untracked } = input;
  const source = from === "HEAD" ? from : (await resolveRevision(workspace, from)).sha;
  const changed = await listChanged(workspace, source, paths);
  if (changed.length > 0) {
    const args = ["restore", "--source", source, "--staged", "--worktree"];
    const options = workspace.options({ input: changed.map((path) => `${path}\0`).join("") });
    await git([...args, "--pathspec-from-file=-", "--pathspec-file-nul"], options);
  }
  const deleted = untracked ? await cleanUntracked(workspace, paths) : [];
  return {
    restored: changed.slice(0, maxListed),
    deleted: deleted.slice(0, maxListed),
    truncated: changed.length > maxListed || deleted.length > maxListed,
  };
}

/** Lists the tracked files that differ from the source in the index or in the working tree. */
async function listChanged(workspace: Workspace, source: string, paths: readonly string[]): Promise<string[]> {
  const format = ["--name-only", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=dirty"];
  const staged = await git(["diff", "--cached", ...format, source, "--", ...paths], workspace.options());
  const unstaged = await git(["diff", ...format, "--", ...paths], workspace.options());
  return [...new Set([...splitPaths(staged.stdout), ...splitPaths(unstaged.stdout)])].toSorted();
}

async function cleanUntracked(workspace: Workspace, paths: readonly string[]): Promise<string[]> {
  const listing = ["ls-files", "--others", "--exclude-standard", "-z", "--", ...paths];
  const { stdout } = await git(listing, workspace.options());
  const untrackedPaths = splitPaths(stdout);
  if (untrackedPaths.length > 0) await git(["clean", "-fdq", "--", ...paths], workspace.options());
  return untrackedPaths;
}

const splitPaths = (text: string): string[] => text.split("\0").filter((path) => path !== "");
