import { WharfError } from "@wharf/contract";

/** What git may use. The processes that it starts have the same limits, each for itself. */
export interface GitLimits {
  /** Files that are mapped into memory do not count. */
  readonly memoryMb: number;
  /** Of all threads together. A git whose server hangs, or is stopped, ends by this one. */
  readonly cpuSeconds: number;
}

/** Threads of one git, as far as git starts several. */
export const maxThreads = 4;
const defaultMemoryMb = 4_096;

/** Limits that a git within its time does not reach, unless something is wrong with what it reads. */
export const getLimits = (timeoutMs: number, memoryMb = defaultMemoryMb): GitLimits => ({
  memoryMb,
  cpuSeconds: Math.ceil(timeoutMs / 1000) * maxThreads,
});

/** Run by `sh` with processor time in seconds, memory in kB, and git's arguments. A lower limit of the server's own stays. */
export const limitScript = `
ulimit -c 0
ulimit -S -t "$1" 2>/dev/null
ulimit -H -t "$(($1 + 5))" 2>/dev/null
ulimit -d "$2" 2>/dev/null
shift 2
exec git "$@"`;
const notFoundCode = 127;

interface ProcessExit {
  readonly command: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** The error of a git that could not be started or reached one of its limits, where one of these ended it. */
export function findLimitError(
  { command, code, signal, stderr }: ProcessExit,
  limits: GitLimits,
): WharfError | undefined {
  if (code === 0) return undefined;
  const output = stderr
    .split("\n")
    .filter((line) => !line.startsWith("remote:"))
    .join("\n");
  const cause = { cause: new Error(output.slice(-2_000)) };
  if (code === notFoundCode)
    return new WharfError(
      "git_failed",
      { command, reason: "git is not installed, or not in the server's PATH" },
      cause,
    );
  if (signal === "SIGXCPU" || /died of signal 24/.test(output))
    return new WharfError("git_over_limit", { command, limit: `${limits.cpuSeconds} s of processor time` }, cause);
  if (/out of memory|cannot allocate memory|unable to create thread/i.test(output))
    return new WharfError("git_over_limit", { command, limit: `${limits.memoryMb} MB of memory` }, cause);
  return undefined;
}
