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

export function listChildren(parent: number): number[] {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => getParent(pid) === parent);
}

/** Parses the fields after the name, which may itself contain spaces and brackets. */
function getParent(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** Measures how long a program takes from its start to its end, in ms. */
export async function measureProcess(command: string, args: readonly string[]): Promise<number> {
  const began = performance.now();
  const [code] = await once(spawn(command, args, { stdio: "ignore" }), "exit");
  if (code !== 0) throw new Error(`${command} exited with ${code}`);
  return performance.now() - began;
}
