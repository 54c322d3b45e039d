import { expect, test } from "vitest";
import { countIn, watchMemory } from "./memory-kills.ts";

// G-057
test("what the kernel has ended for want of memory is read in both versions of control groups", () => {
  expect(countIn("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")).toBe(3);
  expect(countIn("low 0\nhigh 0\nmax 41\noom 2\noom_kill 12\noom_group_kill 1\n")).toBe(12);
  expect(countIn("oom_kill_disable 0\nunder_oom 0\n")).toBe(0);
});

test("an end that was nobody's kill, or a kill while memory was enough, is not the memory's", () => {
  const wasMemory = watchMemory();
  for (const exit of [{ exit_code: 1, signal: null }, { exit_code: null, signal: "SIGKILL" }, { exit_code: 137 }])
    expect(wasMemory(exit)).toBe(false);
});
