import { type GitLogEntry, WharfError } from "@wharf/contract";
import { logFormat, parseLog } from "@wharf/contract/git-output";
import { git } from "./command.ts";
import { resolveRevision } from "./revisions.ts";
import type { Workspace } from "./workspace.ts";

const maxOutputBytes = 4 * 1024 * 1024;

export interface LogInput {
  revision?: string | undefined;
  /** Commits reachable from this one are left out. */
  since?: string | undefined;
  path?: string | undefined;
  limit: number;
  skip?: number;
}

export async function readLog(
  workspace: Workspace,
  input: LogInput,
): Promise<{ commits: GitLogEntry[]; more: boolean }> {
  const start = input.revision === undefined ? "HEAD" : (await resolveRevision(workspace, input.revision)).sha;
  const range = input.since === undefined ? [start] : [start, `^${input.since}`];
  const bounds = [`--max-count=${input.limit + 1}`, `--skip=${input.skip ?? 0}`];
  const paths = input.path === undefined ? [] : [input.path];
  const { stdout, truncated } = await git(
    ["log", ...logFormat, ...bounds, ...range, "--", ...paths],
    workspace.options({ maxOutputBytes: maxOutputBytes }),
  );
  const commits = parseLog(truncated ? stdout.slice(0, stdout.lastIndexOf("\0") + 1) : stdout);
  return { commits: commits.slice(0, input.limit), more: truncated || commits.length > input.limit };
}

export async function getCurrentCommit(workspace: Workspace): Promise<GitLogEntry> {
  const { commits } = await readLog(workspace, { limit: 1 });
  const [commit] = commits;
  if (!commit) throw new WharfError("revision_not_found", { revision: "HEAD" });
  return commit;
}
