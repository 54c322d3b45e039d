import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { getAgentPath, until } from "../fixtures/bench.ts";
import { defaultTiming } from "../timing.ts";
import { ProcessGroup } from "./process-group.ts";

const isRunning = (group: number): boolean => {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
};
const start = (line: string): Promise<ProcessGroup> =>
  ProcessGroup.start(["sh", "-c", line], { cwd: tmpdir(), environment: { PATH: process.env["PATH"] ?? "" } });
const timing = { ...defaultTiming, stdinGraceMs: 100, termGraceMs: 100 };

test("a daemon that exits ends its programs and their descendants", async () => {
  const output = await new Promise<string>(
    (resolve) => void execFile(process.execPath, [getAgentPath("dies-with-agent.ts")], (_, stdout) => resolve(stdout)),
  );
  const group = Number(output);
  expect(group).toBeGreaterThan(1);
  await until(() => !isRunning(group), 2_000);
});

test("a program is ended by the mildest sufficient signal", async () => {
  expect(await (await start("cat; exit 5")).end(timing)).toEqual({ exit_code: 5 });
  expect(await (await start("sleep 300")).end(timing)).toEqual({ signal: "SIGTERM" });
  const stubborn = await start("trap '' TERM; echo up; sleep 300 & while :; do sleep 0.05; done");
  await new Promise((resolve) => stubborn.stdout.once("data", resolve));
  expect(await stubborn.end(timing)).toEqual({ signal: "SIGKILL" });
  await until(() => !isRunning(stubborn.pid), 2_000);
});

test("a program that cannot be started is reported", async () => {
  await expect(ProcessGroup.start(["/no/such"], { cwd: tmpdir(), environment: {} })).rejects.toThrow("ENOENT");
});
