import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { daemonApi, execApi, ExecEvent } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, type Runner } from "../conformance-harness.ts";

const large = 20_000_000; // bytes

export function exec(under: BackendUnderTest): void {
  describe("commands", () => {
    let harness: ConformanceHarness;
    let runner: Runner;
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
      runner = await harness.runner();
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    //
    test("stdout and stderr are separate, and complete before the exit", async () => {
      const { stdout, stderr, last } = await runner.exec("echo out; echo err >&2; printf 'no newline'");
      expect({ stdout, stderr, last }).toEqual({ stdout: "out\nno newline", stderr: "err\n", last: "exit" });
    });

    test.each([0, 1, 42, 255])("exit code %i is the command's own", async (code) => {
      expect((await runner.exec(`exit ${code}`)).exit).toMatchObject({
        exit_code: code,
        signal: null,
        timed_out: false,
      });
    });

    test("a missing program exits with 127 and an error", async () => {
      const { exit, stderr } = await runner.exec("no-such-program");
      expect(exit?.exit_code).toBe(127);
      expect(stderr).toContain("not found");
    });

    test.each(["SIGKILL", "SIGTERM"])("an end by %s is reported as such", async (signal) => {
      const { exit } = await runner.exec(`kill -${signal.slice(3)} $$`);
      expect(exit).toMatchObject({ exit_code: null, signal, timed_out: false });
    });

    test("a timeout ends the command in time and keeps its output", async () => {
      const began = performance.now();
      const { exit, stdout } = await runner.exec("echo begun; sleep 30", { timeout_s: 0.3 });
      expect(performance.now() - began).toBeLessThan(5_000);
      expect(stdout).toBe("begun\n");
      expect(exit).toMatchObject({ timed_out: true, signal: "SIGTERM" });
    });

    test("environment and working directory come from the caller; a directory outside the workspace is refused", async () => {
      await runner.exec("mkdir -p sub");
      const options = { environment: { GREETING: "hällo" }, working_dir: "sub" };
      const { stdout } = await runner.exec('echo "$GREETING"; pwd', options);
      expect(stdout).toMatch(/^hällo\n.*\/sub\n$/);
      await expect(runner.exec("pwd", { working_dir: "../.." })).rejects.toMatchObject({ code: "path_outside" });
      await expect(runner.exec("pwd", { working_dir: "missing" })).rejects.toMatchObject({ code: "file_not_found" });
      await expect(runner.exec("pwd", { shell: "/no/such/shell" })).rejects.toMatchObject({ code: "bad_request" });
    });

    test("multi-byte characters arrive whole", async () => {
      const { stdout } = await runner.exec("printf 'ü€😀%s' ß");
      expect(stdout).toBe("ü€😀ß");
    });

    test(`${large / 1e6} MB arrive completely`, async () => {
      let bytes = 0;
      let last: unknown;
      const body = { command: `head -c ${large} /dev/zero | tr '\\0' x`, timeout_s: 60 };
      for await (const line of runner.client.stream(daemonApi.exec, { body })) {
        const event = line as { type: string; data?: string };
        bytes += event.data?.length ?? 0;
        last = event;
      }
      expect(bytes).toBe(large);
      expect(last).toMatchObject({ type: "exit", exit_code: 0 });
    });

    test("a reader that stops pauses its command and no other", async () => {
      const lines = runner.client.stream(daemonApi.exec, { body: { command: "yes", timeout_s: 30 } });
      await lines.next();
      await sleep(200);
      expect((await runner.exec("echo quick")).stdout).toBe("quick\n");
      await lines.return();
    });

    test("twenty commands run at once, each with its own output", async () => {
      const all = await Promise.all(Array.from({ length: 20 }, (_, i) => runner.exec(`echo ${i}; exit ${i}`)));
      expect(all.map(({ stdout, exit }) => [stdout, exit?.exit_code])).toEqual(all.map((_, i) => [`${i}\n`, i]));
    });

    test("a foreground command gets input and a signal by its id", async () => {
      const { client } = runner;
      const command_id = randomUUID();
      const params = { command_id };
      const reading = runner.exec("cat; echo end", { command_id, stdin: "one ", stdin_open: true });
      await expect.poll(() => client.call(execApi.command, { params }).catch(() => undefined)).toBeDefined();
      const give = (body: object) => client.call(execApi.writeCommand, { params, body: { data: "one two ", ...body } });
      expect(await give({ offset: 0 })).toEqual({ offset: 8 });
      expect(await give({ offset: 0, end: true })).toEqual({ offset: 8 });
      expect((await reading).stdout).toBe("one two end\n");
      const interrupted = runner.exec("sleep 60", { command_id, timeout_s: 60 });
      await expect.poll(() => client.call(execApi.command, { params }).catch(() => undefined)).toBeDefined();
      await client.call(execApi.killCommand, { params, body: { signal: "SIGINT" } });
      expect((await interrupted).exit).toMatchObject({ exit_code: null, signal: "SIGINT", timed_out: false });
    });

    test("a command ends when its caller disconnects", async () => {
      const body = { command: "echo $$; sleep 600", timeout_s: 600 };
      let pid = "";
      for await (const line of runner.client.stream(daemonApi.exec, { body })) {
        const event = ExecEvent.parse(line);
        if (event.type !== "stdout") continue;
        pid = event.data.trim();
        break;
      }
      const isGone = async () => (await runner.exec(`kill -0 ${pid}`)).exit?.exit_code !== 0;
      expect(Number(pid)).toBeGreaterThan(0);
      await expect.poll(isGone, { timeout: 30_000 }).toBe(true);
    });

    test("the whole process group ends with its command", async () => {
      const { stdout } = await runner.exec("(sleep 61.5 & echo $!); sleep 61.5", { timeout_s: 0.3 });
      const pid = Number(stdout.trim());
      expect(pid).toBeGreaterThan(0);
      const { exit } = await runner.exec(`kill -0 ${pid}`);
      expect(exit?.exit_code).not.toBe(0);
    });
  });
}
