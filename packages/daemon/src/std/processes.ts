import { readdir, readFile } from "node:fs/promises";

/** Describes a process as the kernel does in /proc/<pid>/stat. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly state: string;
  /**
   * The start time, in ticks of the kernel's clock, identifies the process: a reused pid has
   * another one.
   */
  readonly started: string;
}

/** Returns the machine's processes; none where there is no /proc. */
export async function listProcesses(): Promise<ProcessInfo[]> {
  const names = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(names.map((name) => readProcess(Number(name))));
  return all.filter((one) => one !== undefined);
}

/** Returns undefined if the process has ended. */
export async function readProcess(pid: number): Promise<ProcessInfo | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    // The program's name may contain spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state = "X", parent, group, session] = fields;
    const started = fields[19];
    if (started === undefined) return undefined;
    return { pid, state, parent: Number(parent), group: Number(group), session: Number(session), started };
  } catch {
    return undefined;
  }
}

/** Returns whether the pid still belongs to the process that started at this time. */
export const isSameProcess = async (pid: number, started: string | undefined): Promise<boolean> =>
  started !== undefined && (await readProcess(pid))?.started === started;

/**
 * Sends a signal to a process, or to a process group if the id is negative. Signal 0 only checks
 * that the target exists. Returns false if it has ended or belongs to another user.
 */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
