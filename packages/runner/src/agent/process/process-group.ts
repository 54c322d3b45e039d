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

/** Groups that still run. They end with this process, however it exits. */
const alive = new Set<ProcessGroup>();
const killAll = (): void => {
  for (const group of alive) group.kill();
};

/** The groups whose leader still runs. */
export const livingGroups = (): number[] => [...alive].map(({ pid }) => pid);

/** A program in a process group of its own, so that all it starts can be ended with it. */
export class ProcessGroup {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<ProcessExit>;
  #leaderExited = false;
  /** Nobody is left in the group, so its number may soon be another's. */
  #gone = false;

  private constructor(pid: number, child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.pid = pid;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    // A program that reads no more is noticed by its silence or its exit; a broken pipe says nothing else.
    this.stdin.on("error", () => this.stdin.destroy());
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#leaderExited = true;
        this.#send(0);
        alive.delete(this);
        if (alive.size === 0) process.off("exit", killAll);
        this.stdin.destroy();
        resolve({
          ...(code !== null && { exit_code: code }),
          ...(signal !== null && { signal }),
        });
      });
    });
    if (alive.size === 0) process.on("exit", killAll);
    alive.add(this);
  }

  /** Rejects with the system's error where the program cannot be started. */
  static start(command: readonly string[], options: SpawnOptions): Promise<ProcessGroup> {
    const [program = "", ...rest] = command;
    return new Promise((resolve, reject) => {
      const child = spawn(program, rest, {
        cwd: options.cwd,
        env: options.environment,
        detached: true,
        stdio: ["pipe", "pipe", "pipe"],
      });
      child.once("error", reject);
      child.once("spawn", () => {
        child.off("error", reject);
        child.on("error", () => {}); // A signal that could not be delivered; `exit` tells the rest.
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

  /** Ends all of the group at once, also what outlived its leader. */
  kill(): void {
    this.signal("SIGKILL");
  }

  /** Ends it politely: end of input, SIGTERM, SIGKILL. */
  async end(timing: Timing): Promise<ProcessExit> {
    this.stdin.end();
    if (!(await this.#exitsWithin(timing.stdinGraceMs))) this.signal("SIGTERM");
    if (!(await this.#exitsWithin(timing.termGraceMs))) this.kill();
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

  async #exitsWithin(ms: number): Promise<boolean> {
    const waiting = new AbortController();
    const late = sleep(ms, false, { signal: waiting.signal }).catch(() => false);
    const inTime = await Promise.race([this.exited.then(() => true), late]);
    waiting.abort();
    return inTime;
  }
}
