import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, statSync } from "node:fs";
import type { Writable } from "node:stream";
import { coverLeaks } from "./launch.ts";
import { allPids, identify, readProcFile, untilGone } from "./processes.ts";

/** Where a daemon's output goes. */
export const logName = "daemon.log";

/** A log of this size makes room for the next one; the one before is kept. */
const maxLogBytes = 10 * 2 ** 20;

/** How long what is on its way to the log may take. Something that the daemon started may still have the log open. */
const settleMs = 1000;

/**
 * Copies its input to the log, one chunk at a time, and ends with the input. A chunk that a full disk does not take is dropped:
 * a daemon must never wait for its log, nor end because nobody reads what it writes.
 */
const keeper = `
unset PWD
while :; do
  report=$(dd bs=65536 count=1 2>&1 >> ${logName}) || report=$(dd bs=65536 count=1 2>&1 > /dev/null)
  case $report in "0+0 "*) exit ;; esac
  [ "$(wc -c < ${logName})" -lt ${maxLogBytes} ] || mv -f ${logName} ${logName}.1
done`;

/** Takes a daemon's output; whoever started the daemon disposes of it, and the daemon writes on. */
export interface DaemonOutput extends Disposable {
  readonly input: Writable;
}

/**
 * Starts the process that keeps a daemon's log in the folder. It outlives the server, and ends when nobody is left who could write.
 * A daemon that had the file itself could fill the disk with it, and so could everything beside the daemon.
 */
export async function keepLog(folder: string): Promise<DaemonOutput> {
  const nothing = openSync("/dev/null", "r+");
  try {
    const child = spawn("/bin/sh", ["-c", keeper], {
      detached: true,
      cwd: folder,
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
      stdio: coverLeaks(["pipe", "ignore", "ignore"], nothing),
    });
    child.unref();
    await once(child, "spawn");
    const input = child.stdin;
    if (input === null) throw new Error("the keeper of the log has no input");
    return { input, [Symbol.dispose]: () => input.destroy() };
  } finally {
    closeSync(nothing);
  }
}

/** Waits until what ended processes wrote is in the log. */
export async function settleLog(folder: string): Promise<void> {
  if (process.platform !== "linux") return;
  const keepers = await Promise.all(allPids().filter(isKeeperOf(folder)).map(identify));
  for (const one of keepers) if (one !== undefined) await untilGone(one, settleMs);
}

function isKeeperOf(folder: string): (pid: number) => boolean {
  const place = statSync(folder, { throwIfNoEntry: false });
  return (pid) => {
    if (place === undefined || !readProcFile(pid, "cmdline")?.includes(keeper)) return false;
    try {
      const at = statSync(`/proc/${pid}/cwd`);
      return at.dev === place.dev && at.ino === place.ino;
    } catch {
      return false; // it has ended
    }
  };
}
