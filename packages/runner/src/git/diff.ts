import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { WharfError, type Diff } from "@wharf/contract";
import { isSystemError } from "../support/files.ts";
import { git } from "./command.ts";
import { headOf, parseNumstat, type Workspace } from "./workspace.ts";

const PATCH = 5 * 1024 * 1024; // bytes
const FILES = 10_000;
const FORMAT = ["--cached", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color"];

/** What the working tree, untracked files included, differs in from a commit. The agent's own index is not touched. */
export async function diff(workspace: Workspace, base: string): Promise<Diff> {
  const known = await git(
    ["rev-parse", "--quiet", "--verify", `${base}^{commit}`],
    workspace.options({ accept: [1, 128] }),
  );
  if (known.code !== 0) throw new WharfError("not_found", { what: "commit", id: base });
  const commit = known.stdout.trim();
  const head = await headOf(workspace);
  const index = join(workspace.state, "diff.index");
  try {
    await copyIndex(workspace, index);
    const options = workspace.options({ environment: { GIT_INDEX_FILE: index } });
    await git(["add", "--all", "--", "."], options);
    const files = parseNumstat((await git(["diff", "--numstat", "-z", ...FORMAT, commit, "--"], options)).stdout);
    const patch = await git(["diff", "--patch", ...FORMAT, commit, "--"], { ...options, maxOutputBytes: PATCH });
    return {
      base: commit,
      head,
      files: files.slice(0, FILES),
      patch: patch.stdout,
      truncated: patch.truncated || files.length > FILES,
    };
  } finally {
    await rm(index, { force: true });
    await rm(`${index}.lock`, { force: true });
  }
}

/** Begun from the real index, unchanged files need not be read again. */
async function copyIndex(workspace: Workspace, target: string): Promise<void> {
  const { stdout } = await git(["rev-parse", "--absolute-git-dir"], workspace.options());
  await copyFile(join(stdout.trim(), "index"), target).catch((error: unknown) => {
    if (!isSystemError(error, "ENOENT")) throw error;
  });
}
