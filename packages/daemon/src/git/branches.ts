import type { GitBranch } from "@wharf/contract";
import { git } from "./command.ts";
import { getCurrentBranch } from "./revisions.ts";
import type { Workspace } from "./workspace.ts";

const format = ["%(refname)", "%(objectname)", "%(committerdate:iso-strict)", "%(contents:subject)"].join("%00");
const prefixes = { local: "refs/heads/", remote: "refs/remotes/origin/" } as const;

/** Lists the branches of the workspace and of its remote, the newest commit first. */
export async function listBranches(
  workspace: Workspace,
  { limit }: { limit: number },
): Promise<{ branches: GitBranch[]; more: boolean }> {
  const current = await getCurrentBranch(workspace);
  const args = ["for-each-ref", "--sort=-committerdate", `--count=${limit + 2}`, `--format=${format}`];
  const { stdout } = await git([...args, ...Object.values(prefixes)], workspace.options());
  const branches = stdout.split("\n").flatMap((line) => parseBranch(line, current));
  return { branches: branches.slice(0, limit), more: branches.length > limit };
}

function parseBranch(line: string, current: string | undefined): GitBranch[] {
  const [ref = "", sha = "", committedAt = "", subject = ""] = line.split("\0");
  const kind = ref.startsWith(prefixes.local) ? "local" : "remote";
  const name = ref.slice(prefixes[kind].length);
  // The remote's HEAD is an alias of its default branch.
  if (name === "" || sha === "" || (kind === "remote" && name === "HEAD")) return [];
  return [{ name, kind, sha, at: committedAt, subject, current: kind === "local" && name === current }];
}
