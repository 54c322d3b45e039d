import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { runnerApi, type RunnerView } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { RunnerCommands } from "./support/runner-commands.ts";
import { launcher, createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Commands in standalone runners, through the command line as people use it. */
let folder: string;
let wharf: ServerHarness;
let runners: RunnerCommands;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1" });
  runners = new RunnerCommands(wharf);
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("exec", () => {
  let runner: RunnerView;
  beforeAll(async () => {
    runner = await runners.create();
  });

  // R-011 R-033 X-019
  test("keeps stdout and stderr apart and exits with the command's code", async () => {
    const ended = await runners.exec(runner, "echo out; echo err >&2; exit 7");
    expect([ended.code, ended.stdout.toString(), ended.stderr]).toEqual([7, "out\n", "err\n"]);
    expect((await runners.exec(runner, "kill -TERM $$")).code).toBe(143);
    expect((await runners.exec(runner, "no-such-program")).code).toBe(127);
    const slow = await runners.exec(runner, "echo before; sleep 60", "-t", "0.5");
    expect(slow).toMatchObject({
      code: 124,
      stdout: Buffer.from("before\n"),
      stderr: expect.stringMatching(/longer than 0\.5 s.*--timeout/),
    });
    const words = await runners.run(["execute-command", runner.id, "--", "printf", "%s|", "a b", "$HOME", "it's"]);
    expect(words.stdout.toString()).toBe("a b|$HOME|it's|");
    expect((await runners.exec(runner, "mkdir -p deep && cd deep && pwd")).code).toBe(0);
    expect((await runners.exec(runner, "pwd", "-w", "deep")).stdout.toString()).toMatch(/\/deep\n$/);
    expect((await runners.exec(runner, "pwd", "-w", "../..")).code).toBe(2);
    writeFileSync(join(folder, "script"), "echo from a file\n");
    expect((await runners.run(["execute", runner.id, "--file", join(folder, "script")])).stdout.toString()).toBe(
      "from a file\n",
    );
  });

  test("passes piped input to the command with -i and returns every byte", async () => {
    const bytes = randomBytes(3_000_001);
    const { code, stdout } = await runners.run(["exec", "-i", runner.id, "--", "cat"], bytes);
    expect([code, stdout.equals(bytes)]).toEqual([0, true]);
    const some = await runners.run(["exec", "-i", runner.id, "--", "head -c 5"], bytes);
    expect(some.stdout.equals(bytes.subarray(0, 5))).toBe(true);
    expect((await runners.run(["exec", "-i", runner.id, "--", "exit 3"], bytes)).code).toBe(3);
  });

  test("does not read stdin without -i, so that a loop over lines runs to its end", async () => {
    const loop = `while read -r word; do "${process.execPath}" "${launcher}" runner exec ${runner.id} echo "<$word>"; done`;
    const child = spawn("/bin/sh", ["-c", loop], { env: wharf.environment, stdio: ["pipe", "pipe", "ignore"] });
    child.stdin.end("one\ntwo\nthree\n");
    expect((await buffer(child.stdout)).toString()).toBe("<one>\n<two>\n<three>\n");
  });

  test("passes a program's options to the program, with and without --", async () => {
    const script = "console.log(process.argv.slice(1).join(' '))";
    for (const line of [["node"], ["--", "node"]]) {
      const { stdout } = await runners.run([
        "exec",
        "-w",
        ".",
        runner.id,
        ...line,
        "-e",
        script,
        "--",
        "--json",
        "--version",
      ]);
      expect(stdout.toString()).toBe("--json --version\n");
    }
    expect((await runners.run(["exec", runner.id, "node", "--version"])).stdout.toString()).toBe(
      `${process.version}\n`,
    );
  });

  test("loses nothing of 200 MB, and the server does not keep the output", async () => {
    const child = runners.spawn(["exec", runner.id, "--", "yes 0123456789abcdef | head -c 200000000; echo end >&2"]);
    let [length, said] = [0, ""];
    child.stdout!.on("data", (piece: Buffer) => (length += piece.length));
    child.stderr!.on("data", (piece: Buffer) => (said += piece.toString()));
    const [code] = await once(child, "close");
    expect([code, length, said]).toEqual([0, 200_000_000, "end\n"]);
    const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${wharf.pid}/status`, "utf8"))?.[1]) * 1024;
    expect(memory).toBeLessThan(450 * 1024 * 1024);
  });

  test("ends the command when its caller disconnects", async () => {
    const mark = `sleep 98${Math.trunc(Math.random() * 1e6)}`;
    const child = runners.spawn(["exec", "-t", "600", runner.id, "--", `echo begun; ${mark}`]);
    await once(child.stdout!, "data");
    child.kill("SIGKILL");
    await once(child, "close");
    await eventually(
      async () => (await runners.exec(runner, `pgrep -fc '${mark.replace("s", "[s]")}'`)).stdout.toString(),
      "0\n",
    );
  });

  test("runs two commands at once, and the log has the output of both", async () => {
    const wait =
      "touch here-$ME; for i in $(seq 200); do [ -e here-$OTHER ] && break; sleep 0.05; done; [ -e here-$OTHER ] && echo met-$OTHER";
    const [a, b] = await Promise.all([
      runners.exec(runner, wait, "-e", "ME=a", "-e", "OTHER=b"),
      runners.exec(runner, wait, "-e", "ME=b", "-e", "OTHER=a"),
    ]);
    expect([a.stdout.toString(), b.stdout.toString()]).toEqual(["met-b\n", "met-a\n"]);
    const { code, stdout } = await runners.run(["logs", runner.id]);
    expect([code, ...["met-a\n", "met-b\n"].map((words) => stdout.includes(words))]).toEqual([0, true, true]);
  });

  test("answers a program with the whole output at once, and explains errors", async () => {
    const params = { runner_id: runner.id };
    const result = await wharf.client.call(runnerApi.execRunnerOnce, { params, body: { command: "echo hi; exit 4" } });
    expect(result).toMatchObject({ stdout: "hi\n", exit_code: 4, timed_out: false });
    const missing = await runners.run(["exec", "00000000", "--", "true"]);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("runner") });
  });
});
