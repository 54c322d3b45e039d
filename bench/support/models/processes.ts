import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { readResidentBytes } from "../processes.ts";

/** A server in a separate process. */
export interface ServerProcess extends Disposable {
  readonly pid: number;
  readonly url: string;
}

/** Starts a program of this folder that prints its port when it listens. */
export async function startProgram(file: string, args: readonly string[] = []): Promise<ServerProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout);
  const gone = once(child, "exit").then(([code]) => Promise.reject(new Error(`${file} exited with ${code}`)));
  gone.catch(() => undefined);
  const [port] = await Promise.race([once(lines, "line"), gone]);
  return toServerProcess(child, `http://127.0.0.1:${port}`);
}

export function toServerProcess(child: ChildProcess, url: string): ServerProcess {
  return { pid: child.pid ?? 0, url, [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

/** Runs a program of this folder to its end, and returns what it prints. */
export async function runProgram(file: string, environment: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file)], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return text(child.stdout);
}

const sampleIntervalMs = 100;

/** Returns the largest memory of a process while some work is done. */
export async function watchMemory(pid: number, work: () => Promise<unknown>): Promise<number> {
  let peak = readResidentBytes(pid);
  const timer = setInterval(() => (peak = Math.max(peak, readResidentBytes(pid))), sampleIntervalMs);
  try {
    await work();
    return peak;
  } finally {
    clearInterval(timer);
  }
}
