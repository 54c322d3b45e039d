import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";

/** Returns the resident memory of one process. */
export const readResidentBytes = (pid: number): number => readKilobytes(`/proc/${pid}/status`, "VmRSS") * 1024;

/** Returns the memory of several processes; memory that they share counts once. */
export function readSharedBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + readKilobytes(`/proc/${pid}/smaps_rollup`, "Pss") * 1024, 0);
}

function readKilobytes(file: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(file, "utf8"))?.[1] ?? Number.NaN);
}

const tickMs = 10;

/** Returns the processor time that processes have used so far, in ms. */
export function readProcessorMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const [user = 0, system = 0] = readStatFields(pid).slice(11, 13).map(Number);
    return sum + (user + system) * tickMs;
  }, 0);
}

/** Returns the processor time of a process and its children, with those that have ended, in ms. */
export function readFamilyProcessorMs(parent: number): number {
  const [user = 0, system = 0] = readStatFields(parent).slice(13, 15).map(Number);
  return readProcessorMs([parent, ...listChildren(parent)]) + (user + system) * tickMs;
}

export function listChildren(parent: number): number[] {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => getParent(pid) === parent);
}

function getParent(pid: number): number | undefined {
  const parent = readStatFields(pid)[1];
  return parent === undefined ? undefined : Number(parent);
}

/**
 * Returns the fields after the name, which may itself contain spaces and brackets; none if the
 * process is gone.
 */
function readStatFields(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

/** Measures how long a program takes from its start to its end, in ms. */
export async function measureProcess(command: string, args: readonly string[]): Promise<number> {
  const began = performance.now();
  const [code] = await once(spawn(command, args, { stdio: "ignore" }), "exit");
  if (code !== 0) throw new Error(`${command} exited with ${code}`);
  return performance.now() - began;
}
