import { WharfError } from "@wharf/contract";

/** Limits of git. The processes that git starts have the same limits individually. */
export interface GitLimits {
  /** Memory-mapped files do not count. */
  readonly memoryMb: number;
  /** Time of all threads together. This limit ends a git whose server hangs or is stopped. */
  readonly cpuSeconds: number;
}

/** Maximum number of threads of one git, where git is multithreaded. */
export const maxThreads = 4;
const defaultMemoryMb = 4_096;

/**
 * Returns limits that a git within its timeout does not reach, unless its input is malicious or
 * broken.
 */
export const getLimits = (timeoutMs: number, memoryMb = defaultMemoryMb): GitLimits => ({
  memoryMb,
  cpuSeconds: Math.ceil(timeoutMs / 1000) * maxThreads,
});

/**
 * A script for `sh` with the CPU time in seconds, the memory in kB, and git's arguments. A lower
 * limit of the server remains in force.
 */
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

/**
 * Returns the error of a git that could not start or that one of its limits ended; undefined
 * otherwise.
 */
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
