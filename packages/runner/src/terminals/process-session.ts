import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * The processes of a terminal. An interactive shell gives every job a process group of its own, so one signal to one
 * group does not reach them all: they are found by their session, which is the terminal's.
 */

const hangUpGraceMs = 1_000; // ms between SIGHUP and SIGKILL
const pollIntervalMs = 20; // ms

/** Ends all of them. Resolves when nobody is left. */
export async function endSession(leader: number, graceMs = hangUpGraceMs): Promise<void> {
  for (const startedAt = performance.now(); ;) {
    const remainingPids = await getMemberPids(leader);
    if (remainingPids.length === 0) return;
    const isOverdue = performance.now() - startedAt >= graceMs;
    // Those that stopped are woken, so that they can go.
    for (const pid of remainingPids)
      for (const signal of isOverdue ? killSignals : hangUpSignals) sendSignal(pid, signal);
    await sleep(pollIntervalMs);
    if (isOverdue && performance.now() - startedAt >= graceMs + hangUpGraceMs) return;
  }
}

const hangUpSignals = ["SIGHUP", "SIGCONT"] as const;
const killSignals = ["SIGKILL"] as const;

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It went by itself.
  }
}

async function getMemberPids(session: number): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  // Without /proc, the leader's group is what can be named.
  if (names.length === 0) return isAlive(-session) ? [-session] : [];
  const pids: number[] = [];
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "latin1").catch(() => "");
    const [state, , , sessionId] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(sessionId) === session && state !== "Z") pids.push(Number(name));
  }
  return pids;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
