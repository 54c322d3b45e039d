import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * The processes of a terminal. An interactive shell gives every job a process group of its own, so one signal to one
 * group does not reach them all: they are found by their session, which is the terminal's.
 */

const HANG_UP_FOR = 1_000; // ms between SIGHUP and SIGKILL
const POLL = 20; // ms

/** Ends all of them. Resolves when nobody is left. */
export async function endSession(leader: number, grace = HANG_UP_FOR): Promise<void> {
  for (const began = performance.now(); ;) {
    const left = await membersOf(leader);
    if (left.length === 0) return;
    const late = performance.now() - began >= grace;
    // Those that stopped are woken, so that they can go.
    for (const pid of left) for (const signal of late ? KILL : HANG_UP) send(pid, signal);
    await sleep(POLL);
    if (late && performance.now() - began >= grace + HANG_UP_FOR) return;
  }
}

const HANG_UP = ["SIGHUP", "SIGCONT"] as const;
const KILL = ["SIGKILL"] as const;

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It went by itself.
  }
}

async function membersOf(session: number): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  // Without /proc, the leader's group is what can be named.
  if (names.length === 0) return isThere(-session) ? [-session] : [];
  const found: number[] = [];
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "latin1").catch(() => "");
    const [state, , , its] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(its) === session && state !== "Z") found.push(Number(name));
  }
  return found;
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
