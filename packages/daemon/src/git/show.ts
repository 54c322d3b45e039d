import { isUtf8 } from "node:buffer";
import { type GitFileAt, type GitShown, WharfError } from "@wharf/contract";
import { git, GitFailure } from "./command.ts";
import { compareCommits } from "./diff.ts";
import { readLog } from "./log.ts";
import { resolveRevision } from "./revisions.ts";
import type { Workspace } from "./workspace.ts";

const maxFileBytes = 10 * 1024 * 1024;

/** Returns a commit with its difference from its first parent, or from nothing. */
export async function showCommit(
  workspace: Workspace,
  { revision, ...options }: { revision: string; path?: string | undefined; stat: boolean },
): Promise<GitShown> {
  const { sha } = await resolveRevision(workspace, revision);
  const [commit] = (await readLog(workspace, { revision: sha, limit: 1 })).commits;
  if (!commit) throw new WharfError("revision_not_found", { revision });
  const base = commit.parents[0] ?? (await getEmptyTree(workspace));
  const { files, patch, truncated } = await compareCommits(workspace, { base, head: sha, ...options });
  return { commit, files, patch, truncated };
}

/** Returns a file as it is in a revision. */
export async function readFileAt(
  workspace: Workspace,
  { revision, path }: { revision: string; path: string },
): Promise<GitFileAt> {
  const { sha } = await resolveRevision(workspace, revision);
  const options = workspace.options({ binary: true, maxOutputBytes: maxFileBytes });
  const { stdout, truncated } = await git(["cat-file", "blob", `${sha}:${path}`], options).catch((error: unknown) => {
    if (error instanceof GitFailure) throw new WharfError("file_not_found", { path }, { cause: error });
    throw error;
  });
  if (truncated) throw new WharfError("file_too_large", { path, limit_bytes: maxFileBytes });
  const bytes = Buffer.from(stdout, "latin1");
  const encoding = isUtf8(bytes) ? "utf8" : "base64";
  return { path, sha, encoding, content: bytes.toString(encoding), size_bytes: bytes.length };
}

async function getEmptyTree(workspace: Workspace): Promise<string> {
  const { stdout } = await git(["hash-object", "-t", "tree", "--stdin"], workspace.options());
  return stdout.trim();
}
