import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { runnerApi, type RunnerView, type TerminalControl } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "./support/eventually.ts";
import { createScratchFolder, launcher, ServerHarness } from "./support/server-harness.ts";

/** Viewers of a runner's activity, including viewers that are slow, disconnected or impatient. */
let folder: string;
let wharf: ServerHarness;
let runner: RunnerView;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder);
  await wharf.start();
  runner = await wharf.client.call(
    runnerApi.createRunner,
    { query: { wait: "true" }, body: {} },
    { timeoutMs: 60_000 },
  );
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const execute = async (command: string) =>
  (await wharf.client.call(runnerApi.execRunnerOnce, { params: { runner_id: runner.id }, body: { command } })).stdout;

describe("Ctrl-C", () => {
  type Command = ChildProcessByStdio<null, Readable, null>;
  async function startCommand(command: string): Promise<{ child: Command; rest: Promise<string> }> {
    const child = spawn(process.execPath, [launcher, "runner", "exec", "-t", "600", runner.id, "--", command], {
      env: wharf.environment,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [first] = await once(child.stdout, "data");
    expect(String(first)).toBe("begun\n");
    return { child, rest: text(child.stdout) };
  }
  const waitForExitCode = async (child: Command): Promise<unknown> => (await once(child, "exit"))[0];

  test("goes to the command, which ends with its own code and its last output", async () => {
    const { child, rest } = await startCommand(
      "trap 'echo caught; exit 9' INT; echo begun; while :; do sleep 0.1; done",
    );
    const code = waitForExitCode(child);
    child.kill("SIGINT");
    expect([await code, await rest]).toEqual([9, "caught\n"]);
    const plain = await startCommand("echo begun; exec sleep 60");
    const ended = waitForExitCode(plain.child);
    plain.child.kill("SIGINT");
    expect(await ended).toBe(130);
  });

  test("ends the command at the second press, even if the command ignores it", async () => {
    const mark = `sleep 97${Math.trunc(Math.random() * 1e6)}`;
    const { child } = await startCommand(`trap '' INT; echo begun; ${mark}`);
    const code = waitForExitCode(child);
    child.kill("SIGINT");
    await sleep(800);
    expect(child.exitCode).toBeNull();
    child.kill("SIGINT");
    expect(await code).toBe(130);
    await eventually(() => execute(`pgrep -fc '${mark.replace("s", "[s]")}'`), "0\n");
  });
});

describe("a terminal's viewer", () => {
  interface Viewer {
    readonly socket: WebSocket;
    readonly controls: TerminalControl[];
    readonly closed: Promise<number>;
    bytes: number;
    offset: number;
  }

  async function view(terminal: string, query = ""): Promise<Viewer> {
    const { url, token } = await wharf.client.locate();
    const address = `${url.replace("http", "ws")}/api/v1/runners/${runner.id}/terminals/${terminal}?${query}`;
    const socket = new WebSocket(address, { headers: { authorization: `Bearer ${token}` } });
    const closed = once(socket, "close").then(([code]) => Number(code));
    const viewer: Viewer = { socket, closed, controls: [], bytes: 0, offset: 0 };
    socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) return void (viewer.bytes += data.length);
      const control: TerminalControl = JSON.parse(data.toString());
      viewer.controls.push(control);
      if (control.type !== "offset") return;
      viewer.offset = control.offset;
      socket.send(JSON.stringify({ type: "ack", offset: control.offset }));
    });
    await once(socket, "open");
    return viewer;
  }

  // S-072
  test("that is slow delays no other, is disconnected at its offset, and gets the rest when it returns", async () => {
    const size = 30_000_000;
    const params = { runner_id: runner.id };
    const body = { command: `read x; head -c ${size} /dev/zero | tr '\\0' x; read y` };
    const { terminal_id } = await wharf.client.call(runnerApi.createRunnerTerminal, { params, body });
    const [fast, slow] = [await view(terminal_id), await view(terminal_id)];
    await eventually(
      () => [fast, slow].every(({ controls }) => controls.some(({ type }) => type === "attached")),
      true,
    );
    slow.socket.pause();
    fast.socket.send(Buffer.from("\r"));
    await eventually(() => fast.bytes > size, true, 60_000);
    // The runner detaches a viewer that has been silent for 10 s.
    await sleep(11_000);
    slow.socket.resume();
    expect(await slow.closed).toBe(4000);
    const last = slow.controls.at(-1);
    expect(last).toMatchObject({ type: "detached", reason: "slow" });
    expect(slow.bytes).toBeLessThan(size);
    const again = await view(terminal_id, `after=${last?.type === "detached" ? last.offset : 0}`);
    await eventually(() => again.offset, fast.offset, 60_000);
    expect(again.controls.some(({ type }) => type === "gap")).toBe(false);
    expect(slow.bytes + again.bytes).toBe(fast.bytes);
    for (const { socket } of [fast, again]) socket.close();
  });

  // S-072, S-078
  test("whose server is killed reconnects to the next one by itself and misses nothing", async () => {
    const { spawn: spawnPty } = await import("@lydell/node-pty");
    const command = `"${process.execPath}" "${launcher}" runner attach ${runner.id} -- 'echo ready; while read line; do echo "got $line"; [ "$line" = end ] && exit 6; done'; echo "code $?"`;
    const pty = spawnPty("/bin/sh", ["-c", command], { env: wharf.environment, cols: 100, rows: 30 });
    let shown = "";
    pty.onData((data) => (shown += data));
    const ended = new Promise((resolve) => pty.onExit(resolve));
    await eventually(() => shown.includes("ready"), true);
    pty.write("one\r");
    await eventually(() => shown.includes("got one"), true);
    await wharf.kill();
    await eventually(() => shown.includes("connection is lost"), true);
    await wharf.start();
    // Input without a receiver is lost, so the test repeats it until the program answers.
    await eventually(async () => {
      if (!shown.includes("got two")) pty.write("two\r");
      await sleep(500);
      return shown.includes("got two");
    }, true);
    pty.write("end\r");
    await ended;
    expect(shown).toContain("code 6");
    expect(shown.split("got one")).toHaveLength(2);
  });
});
