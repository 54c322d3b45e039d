import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { isSystemError } from "../file-system/files.ts";
import { resolveRootedPath } from "../file-system/rooted-path.ts";
import { MemoryWatch } from "../std/memory-watch.ts";
import { sendSignal } from "../std/processes.ts";
import { runAfter } from "../std/run-after.ts";
import { getBaseEnvironment } from "./environment.ts";

/** Commands run in these folders. */
export interface CommandFolders {
  readonly workspace: string;
  readonly home: string;
}

export interface CommandSpec {
  readonly command: string;
  readonly shell: string;
  readonly working_dir: string;
  readonly environment: Record<string, string>;
}

export interface CommandExit {
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly timed_out: boolean;
  /** Is present only if the command ran out of memory. */
  readonly out_of_memory?: true;
}

// SIGKILL follows SIGTERM after this delay.
const killDelayMs = 2_000;
const groupPollIntervalMs = 20;

/**
 * Holds the groups whose leader is running. They are killed when this process exits, for any
 * reason.
 */
const liveGroups = new Set<number>();
const killLiveGroups = (): void => {
  for (const pid of liveGroups) sendSignal(-pid, "SIGKILL");
};

/**
 * Runs a command in a separate process group. Background children stay when the command ends
 * normally.
 */
export class CommandProcess {
  readonly pid: number;
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the command itself exits; its output may still be in flight. */
  readonly exited: Promise<CommandExit>;
  #timedOut = false;
  #hasExited = false;
  #stopping: Promise<void> | undefined;

  private constructor(pid: number, child: ChildProcessByStdio<Writable | null, Readable, Readable>) {
    this.pid = pid;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    // A command that stops reading reports the reason by its exit.
    this.stdin?.on("error", () => this.stdin?.destroy());
    const memory = new MemoryWatch();
    this.exited = new Promise((resolve) => {
      child.once("exit", (exitCode, signal) => {
        this.#hasExited = true;
        liveGroups.delete(pid);
        if (liveGroups.size === 0) process.off("exit", killLiveGroups);
        this.stdin?.destroy();
        const exit = { exit_code: exitCode, signal, timed_out: this.#timedOut };
        resolve(memory.hasKilled(exit) ? { ...exit, out_of_memory: true } : exit);
      });
    });
    if (liveGroups.size === 0) process.on("exit", killLiveGroups);
    liveGroups.add(pid);
  }

  static async start(
    spec: CommandSpec,
    { folders, input }: { folders: CommandFolders; input: boolean },
  ): Promise<CommandProcess> {
    const cwd = await resolveRootedPath(folders.workspace, spec.working_dir);
    rejectNulCharacters(spec);
    const child = spawnShell(spec, { cwd, home: folders.home, input });
    // The exit may follow the start immediately, so listen for it before the first await.
    const started = child.pid === undefined ? undefined : new CommandProcess(child.pid, child);
    try {
      await once(child, "spawn");
    } catch (error) {
      throw toStartError(spec.shell, error);
    }
    // Signals that cannot be delivered emit an error here; the exit reports every other failure.
    child.on("error", () => undefined);
    if (!started) throw toStartError(spec.shell, new Error("it has no process id"));
    return started;
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** Stops the command when the limit expires. The caller disposes of the timer. */
  setTimeLimit(seconds: number): Disposable {
    // A timer is limited to 24 days.
    return runAfter(seconds * 1000, () => {
      this.#timedOut = true;
      void this.stop();
    });
  }

  /** Sends a signal to the whole group; SIGKILL follows SIGTERM. */
  sendSignal(signal: NodeJS.Signals): void {
    if (signal === "SIGTERM") void this.stop();
    else sendSignal(-this.pid, signal);
  }

  /**
   * Stops the group: SIGTERM, and after 2 s SIGKILL for remaining processes. Resolves when the
   * group is empty.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#terminate();
    return this.#stopping;
  }

  /** Resolves when a stop in progress is complete. */
  async waitForStop(): Promise<void> {
    await this.#stopping;
  }

  async #terminate(): Promise<void> {
    if (!sendSignal(-this.pid, "SIGTERM")) return;
    for (const startedAt = performance.now(); performance.now() - startedAt < killDelayMs;) {
      await sleep(groupPollIntervalMs);
      if (!sendSignal(-this.pid, 0)) return;
    }
    sendSignal(-this.pid, "SIGKILL");
  }
}

function spawnShell(spec: CommandSpec, { cwd, home, input }: { cwd: string; home: string; input: boolean }) {
  try {
    return spawn(spec.shell, ["-c", spec.command], {
      cwd,
      env: { ...getBaseEnvironment(home, "dumb"), ...spec.environment },
      detached: true,
      stdio: [input ? "pipe" : "ignore", "pipe", "pipe"],
    }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
  } catch (error) {
    // Node reports some refusals of the kernel by an event and throws others, for example for a
    // name that is too long.
    throw toStartError(spec.shell, error);
  }
}

/** Node would throw an internal error for NUL characters, which are the caller's fault here. */
function rejectNulCharacters(spec: CommandSpec): void {
  const texts = Object.entries({ command: spec.command, shell: spec.shell, ...spec.environment }).flat();
  if (texts.some((text) => text.includes("\0")))
    throw new WharfError("bad_request", { issues: [{ path: "command", message: "contains a NUL character" }] });
}

function toStartError(shell: string, error: unknown): unknown {
  if (!isSystemError(error, "ENOENT", "EACCES", "ENOTDIR", "E2BIG", "ENAMETOOLONG")) return error;
  const message = `'${shell.slice(0, 200)}' cannot be started (${error.code})`;
  return new WharfError("bad_request", { issues: [{ path: "shell", message }] }, { cause: error });
}
