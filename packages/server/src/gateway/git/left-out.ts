import { WharfError } from "@wharf/contract";
import { runGit } from "./run-git.ts";

/** Parts of a repository that the server does not fetch. */
export type LeftOutPart = "submodules" | "lfs";

interface LeftOutOptions {
  readonly mirror: string;
  readonly commit: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const searchTimeoutMs = 10_000;

/**
 * Returns which parts of a commit are missing in a mirror: their addresses come from the repository
 * itself, so nothing fetches them.
 */
export async function findLeftOutParts({
  mirror,
  commit,
  environment,
  signal,
}: LeftOutOptions): Promise<LeftOutPart[]> {
  const search = async (...args: string[]) => {
    const options = { environment, signal, timeoutMs: searchTimeoutMs };
    const { code, stderr } = await runGit([`--git-dir=${mirror}`, ...args], options);
    if (code > 1) throw new WharfError("git_failed", { command: args[0] ?? "", reason: stderr.slice(0, 500) });
    return code === 0;
  };
  const parts: LeftOutPart[] = [];
  if (await search("grep", "--quiet", "-e", "submodule", commit, "--", ".gitmodules")) parts.push("submodules");
  if (await search("grep", "--quiet", "-e", "filter=lfs", commit, "--", ":(glob)**/.gitattributes")) parts.push("lfs");
  return parts;
}
