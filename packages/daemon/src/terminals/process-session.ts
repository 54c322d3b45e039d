import { setTimeout as sleep } from "node:timers/promises";
import { listProcesses, sendSignal } from "../std/processes.ts";

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

async function getMemberPids(session: number): Promise<number[]> {
  const processes = await listProcesses();
  // Without /proc, only the leader's group is known.
  if (processes.length === 0) return sendSignal(-session, 0) ? [-session] : [];
  return processes.filter((one) => one.session === session && one.state !== "Z").map(({ pid }) => pid);
}
