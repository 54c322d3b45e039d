import { spawn, type ChildProcess } from "node:child_process";

/** How long a process group may take to tidy up after SIGTERM. */
const killAfter = 2_000; // ms
const maxStderrBytes = 16 * 1024;

export interface GitRun {
  readonly environment: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Each line git writes to stderr, progress included. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Output beyond this ends the command; the result says so. */
  readonly maxBytes?: number;
}

export interface GitResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly truncated: boolean;
}

/** Ends a process and all that it started. It must have been spawned `detached`. */
export function endGroup(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const send = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal);
    } catch {
      // It ended by itself in the meantime.
    }
  };
  send("SIGTERM");
  const timer = setTimeout(() => send("SIGKILL"), killAfter);
  child.once("close", () => clearTimeout(timer));
}

/**
 * Runs git to its end. In a session of its own: it has no terminal to ask at, and is ended as a group. Rejects with the
 * signal's reason, and only after the processes are gone.
 */
export function runGit(args: readonly string[], options: GitRun): Promise<GitResult> {
  const { environment, signal, onLine, maxBytes = 64 * 1024 * 1024 } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const child = spawn("git", args, { env: environment, cwd: "/", stdio: ["ignore", "pipe", "pipe"], detached: true });
    const output: Buffer[] = [];
    let size = 0;
    let truncated = false;
    let stderr = "";
    let partial = "";
    const abort = () => endGroup(child);
    signal?.addEventListener("abort", abort, { once: true });

    child.stdout.on("data", (chunk: Buffer) => {
      if (truncated) return;
      output.push(chunk.subarray(0, maxBytes - size));
      size += chunk.length;
      if (size <= maxBytes) return;
      truncated = true;
      endGroup(child);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      const lines = (partial + text).split(/[\r\n]+/);
      partial = (lines.pop() ?? "").slice(-maxStderrBytes);
      for (const line of lines) {
        if (line.trim() === "") continue;
        onLine?.(line.trim());
        stderr = `${stderr}${line}\n`.slice(-maxStderrBytes);
      }
    });
    child.once("error", (error) => {
      signal?.removeEventListener("abort", abort);
      reject(error);
    });
    child.once("close", (code) => {
      signal?.removeEventListener("abort", abort);
      if (signal?.aborted) reject(signal.reason as Error);
      else
        resolve({
          code: code ?? -1,
          stdout: Buffer.concat(output).toString("utf8"),
          stderr: stderr + partial,
          truncated,
        });
    });
  });
}
