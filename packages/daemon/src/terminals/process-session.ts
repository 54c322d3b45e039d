import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Finds and ends the processes of a terminal. An interactive shell puts every job into a separate
 * process group, so a signal to one group does not reach them all: their common session, which is
 * the terminal's, identifies them.
 */

// SIGKILL follows SIGHUP after this delay.
const hangUpGraceMs = 1_000;
const pollIntervalMs = 20;

/** Ends all processes of the session. Resolves when none remain. */
export async function endSession(leader: number, graceMs = hangUpGraceMs): Promise<void> {
  for (const startedAt = performance.now(); ;) {
    const remainingPids = await getMemberPids(leader);
    if (remainingPids.length === 0) return;
    const isOverdue = performance.now() - startedAt >= graceMs;
    // Stopped processes are woken, so that they can exit.
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
    // The process has already exited.
  }
}

async function getMemberPids(session: number): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  // Without /proc, only the leader's group is known.
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
