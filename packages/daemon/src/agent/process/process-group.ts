import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Timing } from "../timing.ts";

export interface ProcessExit {
  exit_code?: number;
  signal?: string;
}

interface SpawnOptions {
  cwd: string;
  environment: Record<string, string>;
}

/** These groups still run. They end with this process, however it exits. */
const runningGroups = new Set<ProcessGroup>();
const killAll = (): void => {
  for (const group of runningGroups) group.kill();
};

/** Returns the groups whose leader still runs. */
export const getLivingGroups = (): number[] => [...runningGroups].map(({ pid }) => pid);

/**
 * ProcessGroup runs a program in a new process group, so that all its descendants can be ended with
 * it.
 */
export class ProcessGroup {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<ProcessExit>;
  #leaderExited = false;
  /** The group is empty, so its number may soon belong to another. */
  #gone = false;

  private constructor(pid: number, child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.pid = pid;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    // A program that stops reading shows itself by its silence or its exit; a broken pipe adds
    // nothing.
    this.stdin.on("error", () => this.stdin.destroy());
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#leaderExited = true;
        this.#send(0);
        runningGroups.delete(this);
        if (runningGroups.size === 0) process.off("exit", killAll);
        this.stdin.destroy();
        resolve({
          ...(code !== null && { exit_code: code }),
          ...(signal !== null && { signal }),
        });
      });
    });
    if (runningGroups.size === 0) process.on("exit", killAll);
    runningGroups.add(this);
  }

  /** Rejects with the system's error if the program cannot be started. */
  static start(command: readonly string[], options: SpawnOptions): Promise<ProcessGroup> {
    const [program = "", ...args] = command;
    return new Promise((resolve, reject) => {
      const child = spawn(program, args, {
        cwd: options.cwd,
        env: options.environment,
        detached: true,
        stdio: ["pipe", "pipe", "pipe"],
      });
      child.once("error", reject);
      child.once("spawn", () => {
        child.off("error", reject);
        child.on("error", () => undefined); // The error is an undelivered signal; `exit` reports the rest.
        if (child.pid !== undefined) resolve(new ProcessGroup(child.pid, child));
      });
    });
  }

  get hasExited(): boolean {
    return this.#leaderExited;
  }

  signal(signal: NodeJS.Signals): void {
    this.#send(signal);
  }

  /** Kills the whole group at once, including processes that outlived the leader. */
  kill(): void {
    this.signal("SIGKILL");
  }

  /** Ends the group gracefully: end of input, SIGTERM, SIGKILL. */
  async end(timing: Timing): Promise<ProcessExit> {
    this.stdin.end();
    if (!(await this.#waitForExit(timing.stdinGraceMs))) this.signal("SIGTERM");
    if (!(await this.#waitForExit(timing.termGraceMs))) this.kill();
    const exit = await this.exited;
    this.kill();
    return exit;
  }

  #send(signal: NodeJS.Signals | 0): void {
    if (this.#gone) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      this.#gone = this.#leaderExited;
    }
  }

  async #waitForExit(ms: number): Promise<boolean> {
    const waitController = new AbortController();
    const timeout = sleep(ms, false, { signal: waitController.signal }).catch(() => false);
    const inTime = await Promise.race([this.exited.then(() => true), timeout]);
    waitController.abort();
    return inTime;
  }
}
