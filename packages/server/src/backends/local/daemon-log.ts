import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, statSync } from "node:fs";
import type { Writable } from "node:stream";
import { replaceLeakedDescriptors } from "./launch.ts";
import { listPids, getProcessIdentity, readProcFile, waitForExit } from "./processes.ts";

/** A daemon's output goes to this file. */
export const logName = "daemon.log";

/** At this size the writer starts a new log and keeps the previous one. */
const maxLogBytes = 10 * 2 ** 20;

/**
 * Output on its way to the log may take this long. A program that the daemon started may still have
 * the log open.
 */
const logTimeoutMs = 1000;

/**
 * Copies its input to the log, one chunk at a time, and ends with the input. The script drops a
 * chunk that does not fit on a full disk: a daemon must never wait for its log, nor end because its
 * output has no reader.
 */
const logWriterScript = `
unset PWD
while :; do
  report=$(dd bs=65536 count=1 2>&1 >> ${logName}) || report=$(dd bs=65536 count=1 2>&1 > /dev/null)
  case $report in "0+0 "*) exit ;; esac
  [ "$(wc -c < ${logName})" -lt ${maxLogBytes} ] || mv -f ${logName} ${logName}.1
done`;

/**
 * Receives a daemon's output. The starter disposes of it once the daemon runs; the daemon keeps
 * writing.
 */
export interface DaemonOutput extends Disposable {
  readonly input: Writable;
}

/**
 * Starts the process that writes a daemon's log to the folder. It outlives the server, and ends
 * once no writer is left. With direct access to the file, the daemon and everything beside it could
 * fill the disk.
 */
export async function startLogWriter(folder: string): Promise<DaemonOutput> {
  const devNull = openSync("/dev/null", "r+");
  try {
    const child = spawn("/bin/sh", ["-c", logWriterScript], {
      detached: true,
      cwd: folder,
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
      stdio: replaceLeakedDescriptors(["pipe", "ignore", "ignore"], devNull),
    });
    child.unref();
    await once(child, "spawn");
    const input = child.stdin;
    if (input === null) throw new Error("the log's writer process has no input");
    return { input, [Symbol.dispose]: () => input.destroy() };
  } finally {
    closeSync(devNull);
  }
}

/** Waits until the output of ended processes is in the log. */
export async function waitForLog(folder: string): Promise<void> {
  if (process.platform !== "linux") return;
  const logWriters = await Promise.all(listPids().filter(createLogWriterFilter(folder)).map(getProcessIdentity));
  for (const one of logWriters) if (one !== undefined) await waitForExit(one, logTimeoutMs);
}

function createLogWriterFilter(folder: string): (pid: number) => boolean {
  const folderStats = statSync(folder, { throwIfNoEntry: false });
  return (pid) => {
    if (folderStats === undefined || !readProcFile(pid, "cmdline")?.includes(logWriterScript)) return false;
    try {
      const cwdStats = statSync(`/proc/${pid}/cwd`);
      return cwdStats.dev === folderStats.dev && cwdStats.ino === folderStats.ino;
    } catch {
      return false; // the process has ended
    }
  };
}
