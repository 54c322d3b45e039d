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
 * Copies its input to the log. The kernel ends `cat` at the file's largest size, and the loop at the end of the input. A full disk
 * is met like a full log. On no account does it stop reading, as a daemon that cannot write its log would end.
 */
const keeper = `
ulimit -c 0
unset PWD
until (ulimit -f ${maxLogBytes / 512} && exec cat >> ${logName}); do
  mv -f ${logName} ${logName}.1 || exec cat > /dev/null
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
      env: { PATH: "/usr/bin:/bin" },
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
