import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { ServerHarness } from "./server-harness.ts";

/** Lists the files below a folder that contain one of the texts, or returns undefined. */
export function findFilesWith(below: string, ...texts: string[]): string | undefined {
  const options = ["--recursive", "--files-with-matches", "--binary-files=text", "--no-messages", "--fixed-strings"];
  const patterns = texts.flatMap((text) => ["--regexp", text]);
  const { stdout } = spawnSync("grep", [...options, ...patterns, below], { encoding: "utf8" });
  // Files that vanish meanwhile make grep fail, but hide nothing that it found.
  return stdout === "" ? undefined : stdout;
}

/**
 * Lists the processes of the runner's sandbox whose environment or command line contains a text.
 */
export function findProcessesWith(
  { data }: ServerHarness,
  { runner, text }: { runner: string; text: string },
): string[] {
  const record = JSON.parse(readFileSync(join(data, "runners", runner, "run.json"), "utf8"));
  const space = (pid: string | number) => {
    try {
      return execFileSync("readlink", [`/proc/${pid}/ns/pid`]).toString();
    } catch {
      return undefined;
    }
  };
  const sandbox = space(record.daemon.pid);
  expect(sandbox).toBeDefined();
  const inside = readdirSync("/proc").filter(
    (pid) => /^\d+$/.test(pid) && existsSync(`/proc/${pid}`) && space(pid) === sandbox,
  );
  expect(inside.length).toBeGreaterThan(0);
  return inside.filter((pid) => hasInProcess(pid, text));
}

const hasInProcess = (pid: string, text: string) =>
  ["environ", "cmdline"].some((file) => readFileSync(`/proc/${pid}/${file}`, "latin1").includes(text));

/**
 * Searches a container from outside, through its processes: their environment and command lines,
 * and every file that they can see. Returns where one of the texts is.
 */
export function findInContainer(pids: readonly string[], texts: readonly string[]): string[] {
  expect(pids.length).toBeGreaterThan(0);
  const living = pids.filter((pid) => existsSync(`/proc/${pid}/environ`));
  const processes = living.filter((pid) => texts.some((text) => hasInProcess(pid, text)));
  const root = `/proc/${living[0]}/root`;
  const folders = readdirSync(root).filter(
    (name) => !["proc", "sys", "dev"].includes(name) && lstatSync(join(root, name)).isDirectory(),
  );
  expect(folders).toContain("usr");
  const files = folders.flatMap((name) => findFilesWith(join(root, name), ...texts) ?? []);
  return [...processes.map((pid) => `process ${pid}`), ...files];
}
