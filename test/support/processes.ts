import { readdirSync, readFileSync } from "node:fs";
import { getErrorCode } from "../../packages/server/src/std/errors.ts";

/**
 * The traces of an object on this machine, found by part of its name: a runner's id, a data folder.
 */
export interface Traces {
  readonly processes: string[];
  readonly mounts: string[];
  readonly sockets: string[];
}

/**
 * Finds processes that contain the name in their command line or environment, and mounts and
 * listening sockets that contain it in their path.
 */
export function findTraces(name: string): Traces {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid);
  const naming = (file: string) => lines(file).filter((line) => line.includes(name));
  return {
    processes: pids
      .filter((pid) => read(`/proc/${pid}/cmdline`).includes(name) || read(`/proc/${pid}/environ`).includes(name))
      .map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`),
    mounts: naming("/proc/self/mountinfo"),
    sockets: naming("/proc/net/unix"),
  };
}

export const noTraces: Traces = { processes: [], mounts: [], sockets: [] };

const lines = (file: string) => read(file).split("\n");

/** Returns an empty text if the process is gone. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** The peak memory of a process since its start, in bytes. */
export const getPeakMemory = (pid: number): number => memory(pid, "VmHWM");
export const getMemory = (pid: number): number => memory(pid, "VmRSS");

function memory(pid: number, field: string): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(read(`/proc/${pid}/status`))?.[1];
  if (!kilobytes) throw new Error(`process ${pid} does not exist`);
  return Number(kilobytes) * 1024;
}

/** Kills a process. Returns false if it has already ended, perhaps together with another one. */
export function killProcess(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch (error) {
    if (getErrorCode(error) !== "ESRCH") throw error;
    return false;
  }
}
