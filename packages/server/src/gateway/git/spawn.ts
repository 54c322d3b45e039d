import { type ChildProcess, spawn } from "node:child_process";

/** How long a process group may take to clean up after SIGTERM. */
const killAfterMs = 2_000;

const closed = new WeakSet<ChildProcess>();
const ending = new WeakSet<ChildProcess>();

interface GitSpawn {
  readonly environment: Readonly<Record<string, string>>;
  readonly input: "ignore" | "pipe";
}

/**
 * Starts git. Every git of the gateway starts here. It leads a session and a process group of its own: it has no terminal
 * to ask at, and it ends together with its children (ssh, index-pack, remote helpers).
 */
export function spawnGit(args: readonly string[], { environment, input }: GitSpawn): ChildProcess {
  const child = spawn("git", args, { env: environment, cwd: "/", stdio: [input, "pipe", "pipe"], detached: true });
  child.once("close", () => closed.add(child));
  return child;
}

/**
 * Ends git and all that it started: SIGTERM first, SIGKILL for what is left. Its streams close at the latest with the
 * SIGKILL, so that a process which left the group cannot keep a caller waiting.
 */
export function endGroup(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined || closed.has(child) || ending.has(child)) return;
  ending.add(child);
  const send = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal);
    } catch {
      // The whole group has ended.
    }
  };
  send("SIGTERM");
  const timer = setTimeout(() => {
    send("SIGKILL");
    for (const stream of child.stdio) stream?.destroy();
  }, killAfterMs);
  child.once("close", () => {
    clearTimeout(timer);
    send("SIGKILL");
  });
}
