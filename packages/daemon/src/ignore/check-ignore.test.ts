import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CheckIgnore } from "./check-ignore.ts";

let folder: string;
let check: CheckIgnore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-ignore-"));
  execFileSync("git", ["init", "-q", folder]);
  writeFileSync(join(folder, ".gitignore"), "*.log\nout/\n");
  check = new CheckIgnore({ cwd: folder, environment: {}, answerTimeoutMs: 300 });
});
afterEach(() => {
  check.close();
  rmSync(folder, { recursive: true, force: true });
});

test("one process answers many questions, of any size", async () => {
  const paths = Array.from({ length: 5_000 }, (_, number) => `d${number % 7}/f${number}.${number % 2 ? "log" : "ts"}`);
  expect(await check.getIgnoredPaths(paths)).toEqual(new Set(paths.filter((path) => path.endsWith(".log"))));
  expect(
    await Promise.all([
      check.getIgnoredPaths(["a.log", ":!b.log"]),
      check.getIgnoredPaths(["c", "out/x"]),
      check.getIgnoredPaths([]),
    ]),
  ).toEqual([new Set(["a.log", ":!b.log"]), new Set(["out/x"]), new Set()]);
  mkdirSync(join(folder, "out"));
  expect(await check.getIgnoredPaths(["out", "out/x"])).toEqual(new Set(["out", "out/x"]));
});

test("a path that git refuses is skipped, and all others are answered", async () => {
  symlinkSync("/", join(folder, "link"));
  expect(await check.getIgnoredPaths(["a.log", "link/x.log", "../y.log", "b.log", "c"])).toEqual(
    new Set(["a.log", "b.log"]),
  );
});

test("a git that hangs is abandoned for this question only", async () => {
  mkdirSync(join(folder, "held"));
  execFileSync("mkfifo", [join(folder, "held/.gitignore")]);
  expect(await check.getIgnoredPaths(["a.log", "held/x", "b.log"])).toEqual(new Set(["a.log"]));
  expect(await check.getIgnoredPaths(["b.log"])).toEqual(new Set(["b.log"]));
});
