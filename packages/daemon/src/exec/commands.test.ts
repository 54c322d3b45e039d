import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BackgroundRequest, type ExecEvent, ExecRequest } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isGone, RunnerFolder } from "./fixtures/runner-folder.ts";
import { Commands } from "./index.ts";

let folder: RunnerFolder;
let commands: Commands;
beforeEach(async () => {
  folder = await RunnerFolder.make();
  commands = await Commands.open(folder);
});
afterEach(async () => {
  await commands.close();
  expect(folder.faults).toEqual([]);
  await folder[Symbol.asyncDispose]();
});

const never = new AbortController().signal;
const start = async (command: string, overrides: object = {}) =>
  (await commands.start(BackgroundRequest.parse({ command, ...overrides }))).command_id;
const follow = (id: string, overrides: object = {}) =>
  commands.follow(id, { after: 0, wait: true, encoding: "utf8", signal: never, ...overrides });
const run = (command: string, overrides: object = {}) =>
  commands.run(ExecRequest.parse({ command, ...overrides }), never);
const joinText = (events: readonly ExecEvent[], type: "stdout" | "stderr" = "stdout") =>
  events.map((event) => (event.type === type ? event.data : "")).join("");

//
test("a background command is listed and followed to its exit, and its exit code appears only in the last event", async () => {
  const id = await start("echo out; echo err >&2; sleep 0.1; echo more; exit 5");
  expect(commands.list()).toMatchObject([{ command_id: id, state: "running", background: true }]);
  const events = await Array.fromAsync(follow(id));
  expect([joinText(events), joinText(events, "stderr")]).toEqual(["out\nmore\n", "err\n"]);
  expect(events.at(-1)).toEqual({ type: "exit", exit_code: 5, signal: null, timed_out: false });
  expect(events.slice(0, -1).some((event) => "exit_code" in event)).toBe(false);
  expect(await commands.getInfo(id)).toMatchObject({ state: "exited", exit_code: 5, output: { first: 0, end: 13 } });
});

test("a client that reconnects continues at its offset and gets the remaining output once", async () => {
  const id = await start("for i in $(seq 1 40); do echo line $i; sleep 0.01; done");
  let next = 0;
  let text = "";
  const expected = Array.from({ length: 40 }, (_, n) => `line ${n + 1}\n`).join("");
  for (let ended = false; !ended;) {
    let receivedCount = 0;
    for await (const event of follow(id, { after: next })) {
      if (event.type === "exit") ended = true;
      if (event.type !== "stdout") continue;
      text += event.data;
      next = event.next ?? 0;
      if (++receivedCount === 3) break;
    }
  }
  expect(text).toBe(expected);
  expect(joinText(await Array.fromAsync(follow(id, { after: 7, wait: false })))).toBe(expected.slice(7));
});

test("output that ends within a character is reported as text and as bytes", async () => {
  const id = await start("printf 'a\\303'");
  expect(joinText(await Array.fromAsync(follow(id)))).toBe("a\uFFFD");
  const events = await Array.fromAsync(follow(id, { encoding: "base64" }));
  const bytes = events.flatMap((event) => (event.type === "stdout" ? [...Buffer.from(event.data, "base64")] : []));
  expect(bytes).toEqual([0x61, 0xc3]);
});

test("a signal and a timeout reach the whole process group, and both are reported", async () => {
  const killed = await start("sleep 60 & echo $!; wait");
  let child = 0;
  for await (const event of follow(killed)) {
    if (event.type === "stdout") {
      child = Number(event.data);
      await commands.kill(killed, "SIGTERM");
    }
    if (event.type === "exit") expect(event).toMatchObject({ exit_code: null, signal: "SIGTERM", timed_out: false });
  }
  expect(await isGone(child)).toBe(true);
  const timedOutId = await start("sleep 60", { timeout_s: 0.1 });
  expect((await Array.fromAsync(follow(timedOutId))).at(-1)).toMatchObject({ signal: "SIGTERM", timed_out: true });
});

test("input arrives in pieces, a repeated piece is written once, a hole is refused, and the end is delivered", async () => {
  const command_id = randomUUID();
  const events = Array.fromAsync(await run("cat; echo done", { command_id, stdin: "first ", stdin_open: true }));
  const write = (data: string, overrides: { offset?: number; end?: boolean } = {}) =>
    commands.write(command_id, Buffer.from(data), { end: false, ...overrides });
  expect(await write("second ", { offset: 6 })).toEqual({ offset: 13 });
  expect(await write("second ", { offset: 6 })).toEqual({ offset: 13 });
  await expect(write("fourth", { offset: 20 })).rejects.toMatchObject({ code: "bad_request" });
  await write("d third", { offset: 11, end: true });
  await expect(write("late")).rejects.toMatchObject({ code: "stdin_closed" });
  expect(joinText(await events)).toBe("first second thirddone\n");
  await expect(write("later")).rejects.toMatchObject({ code: "command_not_found" });
});

test("bytes of any kind survive base64, in and out, in the foreground and in the background", async () => {
  const bytes = Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 7) % 256));
  const input = { stdin: bytes.toString("base64"), encoding: "base64" as const };
  const inFront = await Array.fromAsync(await run("cat", input));
  const id = await start("cat", input);
  const behind = await Array.fromAsync(follow(id, { encoding: "base64" }));
  for (const events of [inFront, behind]) {
    const parts = events.map((event) =>
      event.type === "stdout" ? Buffer.from(event.data, "base64") : Buffer.alloc(0),
    );
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  }
});

test("a used id starts nothing: in the background it returns the same command, in the foreground it is a conflict", async () => {
  const command_id = randomUUID();
  const starting = Array.from({ length: 5 }, () =>
    commands.start(BackgroundRequest.parse({ command: `echo x >> count; sleep 0.2`, command_id })),
  );
  const answers = await Promise.all(starting);
  expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
  await Array.fromAsync(follow(command_id));
  const { stdout } = await commands.runOnce(ExecRequest.parse({ command: "cat count" }), never);
  expect(stdout).toBe("x\n");
  await expect(run("true", { command_id })).rejects.toMatchObject({ code: "command_already_exists" });
});

test("a complete result has both outputs, the end of a long one, and its duration", async () => {
  const result = await commands.runOnce(
    ExecRequest.parse({ command: "head -c 3000000 /dev/zero | tr '\\0' a; echo; echo end; echo err >&2; exit 3" }),
    never,
  );
  expect(result).toMatchObject({ exit_code: 3, stderr: "err\n", stdout_truncated: true, stderr_truncated: false });
  expect(result.stdout).toHaveLength(1024 * 1024);
  expect(result.stdout.endsWith("a\nend\n")).toBe(true);
});

test("output beyond the limit grows no memory; a live reader loses nothing, a late one learns what is gone", async () => {
  const before = process.memoryUsage().rss;
  const total = 200_000_000;
  const id = await start(`head -c ${total} /dev/zero`);
  let read = 0;
  let gap = 0;
  let maxRss = 0;
  for await (const event of follow(id, { encoding: "base64" })) {
    if (event.type === "stdout") read += (event.next ?? 0) - (event.offset ?? 0);
    if (event.type === "gap") gap += event.to - event.from;
    maxRss = Math.max(maxRss, process.memoryUsage.rss());
  }
  expect(read + gap).toBe(total);
  expect(gap).toBe(0);
  expect(maxRss - before).toBeLessThan(150_000_000);
  const events = follow(id, { encoding: "base64" });
  const first = await events.next();
  expect(first.value).toMatchObject({ type: "gap", from: 0 });
  const kept = first.value?.type === "gap" ? total - first.value.to : 0;
  expect(kept).toBeGreaterThan(60_000_000);
  expect(kept).toBeLessThanOrEqual(64 * 1024 * 1024);
  await events.return();
  await commands.remove(id);
  expect(await readdir(join(folder.state, "commands"))).toEqual([]);
});

test("all outputs share a limit: ended commands lose output first, then the oldest running one; exit codes stay", async () => {
  const megabyte = 1024 * 1024;
  const print = `head -c ${2 * megabyte} /dev/zero`;
  const onDisk = async () => {
    const root = join(folder.state, "commands");
    const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith(".ring"));
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(root, name))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  };
  const reopen = async (ofAll: number) => {
    await commands.close();
    const { workspace, home, state, onFault } = folder;
    const outputLimits = { ofOne: 2 * megabyte, ofAll };
    commands = await Commands.open({ workspace, home, state, onFault, outputLimits });
  };
  const kept = async (id: string) => {
    const { output, exit_code } = await commands.getInfo(id);
    return { bytes: (output?.end ?? 0) - (output?.first ?? 0), exit_code };
  };
  await reopen(5 * megabyte);
  const ended = [await start(`${print}; exit 1`)];
  await Array.fromAsync(follow(ended[0] ?? ""));
  ended.push(await start(`${print}; exit 2`));
  await Array.fromAsync(follow(ended[1] ?? ""));
  const startRunning = async () => {
    const id = await start(`${print}; echo end; sleep 60`);
    for await (const event of follow(id)) if (event.type === "stdout" && event.data.endsWith("end\n")) return id;
    throw new Error("the command ended");
  };
  const running = [await startRunning()];
  await expect.poll(() => kept(ended[0] ?? "")).toEqual({ bytes: 0, exit_code: 1 });
  expect(await kept(ended[1] ?? "")).toEqual({ bytes: 2 * megabyte, exit_code: 2 });
  running.push(await startRunning());
  await expect.poll(() => kept(ended[1] ?? "")).toEqual({ bytes: 0, exit_code: 2 });
  await expect.poll(onDisk).toBeLessThan(5 * megabyte);
  for (const id of running) expect((await kept(id)).bytes).toBeGreaterThan(1.5 * megabyte);
  const [first] = await Array.fromAsync(follow(ended[0] ?? ""));
  expect(first).toEqual({ type: "gap", from: 0, to: 2 * megabyte });

  // Running commands share the rest of the limit, and the next daemon enforces its own limit before
  // it reads any output.
  running.push(await startRunning());
  await expect.poll(onDisk).toBeLessThan(5 * megabyte);
  for (const id of running) expect((await kept(id)).bytes).toBeGreaterThan(1 * megabyte);
  await reopen(2 * megabyte);
  await expect.poll(onDisk).toBeLessThan(2 * megabyte);
  expect((await kept(ended[0] ?? "")).exit_code).toBe(1);
});

test("commands end with the daemon; the next daemon knows them, their output and their end", async () => {
  const ended = await start("echo kept; exit 4");
  await Array.fromAsync(follow(ended));
  const running = await start("echo $$; sleep 60");
  const first = await follow(running).next();
  const pid = first.value?.type === "stdout" ? Number(first.value.data) : 0;
  await commands.close();
  expect(await isGone(pid)).toBe(true);
  commands = await Commands.open(folder);
  expect(commands.list()).toMatchObject([
    { command_id: ended, state: "exited", exit_code: 4 },
    { command_id: running, state: "exited", signal: "SIGTERM" },
  ]);
  expect(joinText(await Array.fromAsync(follow(ended)))).toBe("kept\n");
});

test("a killed daemon leaves its command's output; the next one ends the command and reports its end as unknown", async () => {
  const script = `
    import { Commands } from ${JSON.stringify(import.meta.resolve("./index.ts"))};
    const commands = await Commands.open({ ...${JSON.stringify(folder)}, onFault() {} });
    const command = "trap '' PIPE TERM; while true; do echo tick 2>/dev/null; sleep 0.05; done";
    const { command_id } = await commands.start({ command, shell: "bash", working_dir: ".", environment: {}, encoding: "utf8", stdin_open: false });
    console.log(command_id + " " + (await commands.getInfo(command_id)).pid);
    setInterval(() => {}, 1000);`;
  const daemon = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(daemon.stdout, "data");
  const [id = "", pid = ""] = String(line).trim().split(" ");
  await sleep(200);
  const exit = once(daemon, "exit");
  daemon.kill("SIGKILL");
  await exit;
  expect(process.kill(Number(pid), 0)).toBe(true);
  await commands.close();
  // The daemon removes a command that was still starting when an earlier daemon died.
  const unborn = randomUUID();
  await mkdir(join(folder.state, "commands", unborn));
  commands = await Commands.open(folder);
  expect(await readdir(join(folder.state, "commands"))).not.toContain(unborn);
  expect(await isGone(Number(pid))).toBe(true);
  expect(await commands.getInfo(id)).toMatchObject({ state: "unknown" });
  const events = await Array.fromAsync(follow(id));
  expect(joinText(events)).toMatch(/^(tick\n)+$/);
  expect(events.at(-1)).toEqual({ type: "exit", exit_code: null, signal: null, timed_out: false });
});
