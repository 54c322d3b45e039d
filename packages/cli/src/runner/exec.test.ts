import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { getExitCode, toShellLine } from "./exec.ts";

const exit = (fields: object) =>
  getExitCode({ type: "exit", exit_code: null, signal: null, timed_out: false, ...fields });

//
test("the exit code is the command's own, 124 for a timeout, 128 plus the number of a signal, or 2 if it is unknown", () => {
  expect([exit({ exit_code: 0 }), exit({ exit_code: 255 })]).toEqual([0, 255]);
  expect(exit({ signal: "SIGKILL" })).toBe(137);
  expect(exit({ signal: "SIGTERM", timed_out: true })).toBe(124);
  expect([exit({}), exit({ signal: "SIGNOTHING" })]).toEqual([2, 2]);
});

test("several words reach the program unchanged, and a single one goes to the shell", () => {
  const words = ["printf", "%s\\n", "a b", "$HOME", "it's", "", "*", "new\nline", "`id`"];
  const { stdout } = spawnSync("bash", ["-c", toShellLine(words)], { encoding: "utf8" });
  expect(stdout).toBe(`${words.slice(2).join("\n")}\n`);
  expect(toShellLine(["echo $HOME | wc"])).toBe("echo $HOME | wc");
});
