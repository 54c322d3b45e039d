import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { uptime } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import { getErrorCode } from "../../std/errors.ts";

/** Identifies a process: a pid alone may belong to another process by now. */
export const ProcessIdentity = z.object({ pid: z.number().int().positive(), born: z.string() });
export type ProcessIdentity = z.infer<typeof ProcessIdentity>;

export interface Process extends ProcessIdentity {
  readonly parent: number;
  /**
   * Holds the session on Linux; elsewhere the process group, which is the same for processes that
   * Wharf starts.
   */
  readonly session: number;
  /** Includes the children that the process has waited for. */
  readonly cpuSeconds: number;
  readonly dead: boolean;
}

/** The kernel reports times to programs in hundredths of a second on every architecture. */
const ticksPerSecond = 100;
const hasProc = process.platform === "linux";
const bootId = hasProc ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() : "";

/** Lists every process, including those that ended and have not been reaped. */
export async function listProcesses(): Promise<Process[]> {
  if (!hasProc) return listProcessesByPs([]);
  return listPids()
    .map(readProcess)
    .filter((entry) => entry !== undefined);
}

export function listPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Returns the living process with this pid. */
export async function getProcessIdentity(pid: number): Promise<ProcessIdentity | undefined> {
  const match = hasProc ? readProcess(pid) : (await listProcessesByPs(["-p", String(pid)]))[0];
  return match === undefined || match.dead ? undefined : { pid, born: match.born };
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await getProcessIdentity(identity.pid))?.born === identity.born;
}

/**
 * Returns false for a process that was recorded before the machine's last boot: its numbers no
 * longer mean anything.
 */
export function isOfThisBoot(identity: ProcessIdentity): boolean {
  if (hasProc) return identity.born.startsWith(`${bootId}:`);
  return Date.parse(identity.born) >= Date.now() - (uptime() + 1) * 1000;
}

/** Returns how long ago a process of this boot was started. */
export function getRunningSeconds({ born }: ProcessIdentity): number {
  if (!hasProc) return (Date.now() - Date.parse(born)) / 1000;
  return uptime() - Number(born.slice(bootId.length + 1)) / ticksPerSecond;
}

/** Sends a signal unless the pid belongs to another process by now. */
export async function signalProcess(identity: ProcessIdentity, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (!(await isAlive(identity))) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if (getErrorCode(error) !== "ESRCH") throw error;
  }
}

/** Waits until the process has ended; returns false on timeout. */
export async function waitForExit(identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (let pause = 1; await isAlive(identity); pause = Math.min(pause * 2, 50)) {
    if (performance.now() >= deadline) return false;
    await sleep(pause);
  }
  return true;
}

/**
 * The kernel may take this long to end a process; the end of a sandbox's first process includes the
 * end of all others.
 */
const killTimeoutMs = 10_000;

/** Kills the processes and waits until they are gone. */
export async function killAll(identities: readonly ProcessIdentity[]): Promise<void> {
  for (const identity of identities) await signalProcess(identity, "SIGKILL");
  for (const identity of identities) {
    if (await waitForExit(identity, killTimeoutMs)) continue;
    throw new WharfError("backend_failed", { backend: "local", reason: `process ${identity.pid} did not end` });
  }
}

/** Returns the processes and all their descendants. */
export function getProcessTrees(roots: readonly Process[], processes: readonly Process[]): Process[] {
  const children = Map.groupBy(processes, (one) => one.parent);
  const tree = new Set(roots);
  // The loop also visits processes that are added during the walk.
  for (const one of tree) for (const child of children.get(one.pid) ?? []) tree.add(child);
  return [...tree];
}

export function readProcess(pid: number): Process | undefined {
  const text = readProcFile(pid, "stat");
  if (text === undefined) return undefined;
  // The name is in parentheses and may contain anything, even parentheses; the numbers begin after
  // the last one.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const getField = (number: number) => fields[number - 3] ?? "";
  const ticks = [14, 15, 16, 17].reduce((sum, number) => sum + Number(getField(number)), 0);
  return {
    pid,
    born: `${bootId}:${getField(22)}`,
    parent: Number(getField(4)),
    session: Number(getField(6)),
    cpuSeconds: ticks / ticksPerSecond,
    dead: getField(3) === "Z" || getField(3) === "X",
  };
}

/**
 * Reads a file below /proc/<pid>; returns undefined if the process is gone or the file is not
 * readable for us.
 */
export function readProcFile(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return undefined;
  }
}

/** Returns in bytes a number that /proc/<pid>/status gives in kB. */
export function parseStatusBytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
}

const runFile = promisify(execFile);

/** Lists processes on systems without /proc. Their times lack the children that were waited for. */
export async function listProcessesByPs(selection: readonly string[]): Promise<Process[]> {
  const columns = ["pid", "ppid", "pgid", "state", "time", "lstart"].flatMap((column) => ["-o", `${column}=`]);
  const select = selection.length === 0 ? ["-ax"] : selection;
  const { stdout } = await runFile("ps", [...select, ...columns], {
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
    maxBuffer: 64 * 2 ** 20,
  }).catch(() => ({ stdout: "" })); // ps fails when it selects no process
  return stdout.split("\n").flatMap((line) => {
    const [, pid, parent, group, state, time, born] =
      /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(.+?)\s*$/.exec(line) ?? [];
    if (pid === undefined || time === undefined || born === undefined) return [];
    const [clock = "", days = "0"] = time.split("-").toReversed();
    const cpuSeconds = Number(days) * 86_400 + clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
    return [
      {
        pid: Number(pid),
        parent: Number(parent),
        session: Number(group),
        cpuSeconds,
        born,
        dead: state?.startsWith("Z") ?? false,
      },
    ];
  });
}
