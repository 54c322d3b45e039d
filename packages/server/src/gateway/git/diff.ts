import { type Diff, WharfError } from "@wharf/contract";
import { startDeadline } from "./deadline.ts";
import { type GitResult, runGit } from "./run-git.ts";

/** Limits of each diff: a commit of a few kB can name more files than any machine can list. */
export interface DiffLimits {
  /** @default 60 s */
  readonly timeoutMs: number;
  /** @default 1024 */
  readonly memoryMb: number;
}

export const defaultDiffLimits: DiffLimits = { timeoutMs: 60_000, memoryMb: 1_024 };
const maxPatchBytes = 5 * 1024 * 1024;
const maxStatBytes = 5 * 1024 * 1024;

/** These options never start programs that a repository's attributes could name. */
const plain = ["--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--ignore-submodules=none"];

interface Comparison {
  readonly mirror: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly base: string;
  readonly branch: string;
  readonly limits: DiffLimits;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns what a branch changed since it left its base, which is a commit or the name of a branch.
 */
export async function diffBranch({ mirror, environment, base, branch, limits, ...caller }: Comparison): Promise<Diff> {
  const limit = `${limits.timeoutMs / 1000} s`;
  const createError = () => new WharfError("git_over_limit", { command: "diff", limit });
  using deadline = startDeadline(caller.signal, limits.timeoutMs, createError);
  const options = { environment, ...limits, signal: deadline.signal };
  const runDiffGit = (args: readonly string[], maxBytes = maxStatBytes) =>
    runGit([`--git-dir=${mirror}`, ...args], { ...options, maxBytes });
  const findCommit = async (name: string) => {
    const result = await runDiffGit(["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`]);
    return result.code === 0 ? result.stdout.trim() : undefined;
  };
  const head = await findCommit(`refs/heads/${branch}`);
  if (head === undefined) throw new WharfError("revision_not_found", { revision: branch });
  const baseCommit =
    (await findCommit(`refs/heads/${base}`)) ?? (/^[0-9a-f]{7,64}$/.test(base) ? await findCommit(base) : undefined);
  if (baseCommit === undefined) throw new WharfError("revision_not_found", { revision: base });

  const fork = (await runDiffGit(["merge-base", baseCommit, head])).stdout.trim() || baseCommit;
  const stats = requireGitSuccess(await runDiffGit(["diff", ...plain, "--numstat", "-z", fork, head]));
  const patch = requireGitSuccess(await runDiffGit(["diff", ...plain, fork, head], maxPatchBytes));
  return {
    base: fork,
    head,
    files: parseStats(stats.stdout),
    patch: getWholeLines(patch),
    truncated: patch.truncated || stats.truncated,
  };
}

function requireGitSuccess(result: GitResult): GitResult {
  if (result.code === 0 || result.truncated) return result;
  throw new WharfError("git_failed", { command: "diff", reason: result.stderr.trim().slice(-500) });
}

const getWholeLines = ({ stdout, truncated }: GitResult): string =>
  truncated ? stdout.slice(0, stdout.lastIndexOf("\n") + 1) : stdout;

/** Git shows `-` instead of a count for binary files. */
const parseCount = (text: string | undefined): number => (text === "-" ? 0 : Number(text));

/**
 * Parses `--numstat -z`: `added TAB deleted TAB path NUL`. A rename has an empty path, then the old
 * and the new one, each with a NUL.
 */
function parseStats(text: string): Diff["files"] {
  const fields = text.split("\0");
  const files: Diff["files"] = [];
  for (let index = 0; index < fields.length; index++) {
    const match = /^(\d+|-)\t(\d+|-)\t([^]*)$/.exec(fields[index] ?? "");
    if (!match) continue;
    let path = match[3] ?? "";
    if (path === "") {
      index += 2;
      path = fields[index] ?? "";
    }
    files.push({ path, additions: parseCount(match[1]), deletions: parseCount(match[2]) });
  }
  return files;
}
