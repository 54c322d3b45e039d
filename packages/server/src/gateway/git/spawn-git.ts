import { type ChildProcess, spawn } from "node:child_process";
import { GroupGuard } from "../../std/group-guard.ts";
import { type GitLimits, limitScript } from "./limits.ts";

/** Time for a process group to clean up after SIGTERM. */
const killDelayMs = 2_000;

const closed = new WeakSet<ChildProcess>();
const ending = new WeakSet<ChildProcess>();
const guard = new GroupGuard();

interface GitSpawnOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly input: "ignore" | "pipe";
  readonly limits: GitLimits;
  /** Whether git and its hooks get descriptor 3, as a channel to the server. */
  readonly hasChannel?: boolean;
}

/**
 * Starts git. Every git of the gateway starts here. Git leads a new session and process group: it
 * has no terminal for prompts, and it ends together with its children (ssh, index-pack, remote
 * helpers), even when the server is killed.
 */
export function spawnGit(
  args: readonly string[],
  { environment, input, limits, hasChannel = false }: GitSpawnOptions,
): ChildProcess {
  const limited = ["-c", limitScript, "git", `${limits.cpuSeconds}`, `${limits.memoryMb * 1024}`, ...args];
  const stdio = [input, "pipe" as const, "pipe" as const, ...(hasChannel ? ["pipe" as const] : [])];
  const child = spawn("/bin/sh", limited, { env: environment, cwd: "/", stdio, detached: true });
  const { pid } = child;
  if (pid !== undefined) guard.add(pid);
  child.once("close", () => {
    closed.add(child);
    if (pid !== undefined) guard.remove(pid);
  });
  return child;
}

/**
 * Ends git and all processes that it started: SIGTERM first, then SIGKILL for the remaining ones.
 * Git's streams close at the latest with the SIGKILL, so that a process which left the group cannot
 * keep a caller waiting.
 */
export function endProcessGroup(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined || closed.has(child) || ending.has(child)) return;
  ending.add(child);
  const sendSignal = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal);
    } catch {
      // The whole group has ended.
    }
  };
  sendSignal("SIGTERM");
  const timer = setTimeout(() => {
    sendSignal("SIGKILL");
    for (const stream of child.stdio) stream?.destroy();
  }, killDelayMs);
  child.once("close", () => {
    clearTimeout(timer);
    sendSignal("SIGKILL");
  });
}
