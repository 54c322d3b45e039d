import { expect, test } from "vitest";
import { MemoryWatch, parseKills, parseLimit } from "./memory-watch.ts";

// G-057
test("the kernel's out-of-memory kills are read in both versions of control groups", () => {
  expect(parseKills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")).toBe(3);
  expect(parseKills("low 0\nhigh 0\nmax 41\noom 2\noom_kill 12\noom_group_kill 1\n")).toBe(12);
  expect(parseKills("oom_kill_disable 0\nunder_oom 0\n")).toBe(0);
});

test("a memory limit is read in both versions of control groups, and a missing limit as none", () => {
  expect(parseLimit("2147483648\n")).toBe(2 ** 31);
  expect([parseLimit("max\n"), parseLimit("9223372036854771712\n"), parseLimit("")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("an exit without a kill, or a kill with enough memory, is not blamed on memory", () => {
  const memory = new MemoryWatch();
  for (const exit of [{ exit_code: 1, signal: null }, { exit_code: null, signal: "SIGKILL" }, { exit_code: 137 }])
    expect(memory.hasKilled(exit)).toBe(false);
});
