import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { ServerHarness } from "../server-harness.ts";
import { findInFiles, findInGit, findInProcesses } from "./leaks.ts";

/**
 * Searches a local runner from outside: its folder, the file systems in memory that only its
 * sandbox sees, and what each process of the sandbox was started with. The rest of what the sandbox
 * sees is the machine's own, and read-only.
 */
export function findInLocalRunner({ data }: ServerHarness, runnerId: string): string[] {
  const folder = join(data, "runners", runnerId);
  const { daemon } = JSON.parse(readFileSync(join(folder, "run.json"), "utf8")) as { daemon: { pid: number } };
  const sandbox = getProcessSpace(daemon.pid);
  expect(sandbox).toBeDefined();
  const pids = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && getProcessSpace(pid) === sandbox);
  const mounts = readFileSync(`/proc/${daemon.pid}/mountinfo`, "utf8").split("\n");
  // The root is in memory too, and holds nothing but the folders on which everything is mounted.
  const memory = mounts
    .filter((line) => line.includes(" - tmpfs "))
    .map((line) => line.split(" ")[4] ?? "/")
    .filter((path) => path !== "/");
  expect(memory).toContain("/tmp");
  const files = memory.flatMap((path) => findInFiles(join(`/proc/${daemon.pid}/root`, path)));
  return [...findInProcesses(pids), ...findInFiles(folder), ...files, ...findInGit(folder)];
}

/** Returns the process namespace of a process, or nothing if the process has ended. */
function getProcessSpace(pid: string | number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}
