import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { ServerHarness } from "./server-harness.ts";

/** Lists the files below a folder that contain a text, or returns undefined. */
export function findFilesWith(below: string, text: string): string | undefined {
  try {
    return execFileSync("grep", ["--recursive", "--files-with-matches", "--binary-files=text", text, below]).toString();
  } catch {
    return undefined; // grep fails if it finds nothing
  }
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
  return inside.filter((pid) =>
    ["environ", "cmdline"].some((file) => readFileSync(`/proc/${pid}/${file}`, "latin1").includes(text)),
  );
}
