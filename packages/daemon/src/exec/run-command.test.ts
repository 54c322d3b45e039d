import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execApi, type ExecEvent } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isGone, RunnerFolder } from "./fixtures/runner-folder.ts";
import { runCommand } from "./index.ts";

let folder: RunnerFolder;
let workspace: string;
beforeEach(async () => {
  folder = await RunnerFolder.make();
  ({ workspace } = folder);
  await mkdir(join(workspace, "sub"));
});
afterEach(() => folder[Symbol.asyncDispose]());

const start = (
  command: string,
  overrides: object = {},
  signal = new AbortController().signal,
): Promise<AsyncIterable<ExecEvent>> =>
  runCommand(execApi.exec.body.parse({ command, ...overrides }), { workspace, home: folder.home, signal });

async function runAndCollect(command: string, overrides: object = {}) {
  const events = await Array.fromAsync(await start(command, overrides));
  const text = (type: "stdout" | "stderr") => events.map((event) => (event.type === type ? event.data : "")).join("");
  return {
    stdout: text("stdout"),
    stderr: text("stderr"),
    exit: events.at(-1),
    exits: events.filter(({ type }) => type === "exit").length,
  };
}

test("stdout and stderr are separate, with the exact exit code, in the requested folder and environment", async () => {
  const { stdout, stderr, exit, exits } = await runAndCollect('echo "$PWD $COLOR"; echo oops >&2; exit 7', {
    working_dir: "sub",
    environment: { COLOR: "blue" },
  });
  expect({ stdout, stderr, exit, exits }).toEqual({
    stdout: `${join(workspace, "sub")} blue\n`,
    stderr: "oops\n",
    exit: { type: "exit", exit_code: 7, signal: null, timed_out: false },
    exits: 1,
  });
  expect((await runAndCollect("kill -9 $$")).exit).toEqual({
    type: "exit",
    exit_code: null,
    signal: "SIGKILL",
    timed_out: false,
  });
});

test("all output precedes the exit, however much it is and however slowly it is read", async () => {
  const events = await start("head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2");
  let length = 0;
  let slow = 0;
  let last: ExecEvent | undefined;
  for await (const event of events) {
    if (event.type === "stdout") length += event.data.length;
    if (slow++ < 10) await sleep(10);
    last = event;
  }
  expect(length).toBe(3_000_000);
  expect(last).toMatchObject({ type: "exit", exit_code: 0 });
});

test("a command that nothing reads is held back instead of filling memory", async () => {
  const stop = new AbortController();
  const before = process.memoryUsage().rss;
  const events = (await start("echo $$; exec yes", {}, stop.signal))[Symbol.asyncIterator]();
  const first = await events.next();
  const pid = Number.parseInt(first.value?.type === "stdout" ? first.value.data : "", 10);
  await sleep(500);
  expect(process.memoryUsage().rss - before).toBeLessThan(40_000_000);
  stop.abort();
  expect(await isGone(pid)).toBe(true);
  await events.return?.();
});

test("a character split between two reads arrives whole", async () => {
  const { stdout } = await runAndCollect("printf '\\xe2\\x82'; sleep 0.1; printf '\\xac'; printf '\\xf0\\x9f'");
  expect(stdout).toBe("€\uFFFD");
});

test("a timeout ends the whole group, including a child that ignores SIGTERM, and is reported", async () => {
  const startedAt = performance.now();
  const { stdout, exit } = await runAndCollect(
    "bash -c 'trap \"\" TERM; echo $BASHPID; while true; do sleep 0.05; done' & wait",
    { timeout_s: 0.3 },
  );
  expect(exit).toMatchObject({ type: "exit", timed_out: true });
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  expect(await isGone(Number(stdout))).toBe(true);
});

test("a caller that leaves early ends the command", async () => {
  const events = await start("echo $$; sleep 60");
  let pid = 0;
  for await (const event of events) {
    if (event.type === "stdout") pid = Number(event.data);
    break;
  }
  expect(pid).toBeGreaterThan(0);
  expect(await isGone(pid)).toBe(true);
});

test("a background child does not delay the exit and keeps running", async () => {
  const startedAt = performance.now();
  const { stdout, exit } = await runAndCollect("sleep 30 & echo $!");
  expect(exit).toMatchObject({ exit_code: 0 });
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  const pid = Number(stdout);
  expect(process.kill(pid, 0)).toBe(true);
  process.kill(pid, "SIGKILL");
});

test("a folder outside the workspace (by name or link), a missing folder and a missing shell are refused", async () => {
  await symlink("/tmp", join(workspace, "link"));
  await expect(start("true", { working_dir: "../" })).rejects.toMatchObject({ code: "path_outside" });
  await expect(start("true", { working_dir: "/etc" })).rejects.toMatchObject({ code: "path_outside" });
  await expect(start("true", { working_dir: "link" })).rejects.toMatchObject({ code: "path_outside" });
  await expect(start("true", { working_dir: "nowhere" })).rejects.toMatchObject({ code: "file_not_found" });
  await expect(start("true", { shell: "no-such-shell" })).rejects.toMatchObject({ code: "bad_request" });
  for (const shell of ["x".repeat(300), `/${"x".repeat(4_095)}`])
    await expect(start("true", { shell })).rejects.toMatchObject({ code: "bad_request" });
  await expect(start(`: ${"x".repeat(200_000)}`)).rejects.toMatchObject({ code: "bad_request" });
  expect((await runAndCollect("pwd", { working_dir: workspace })).stdout).toBe(`${workspace}\n`);
});
