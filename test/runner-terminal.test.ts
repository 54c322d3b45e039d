import { once } from "node:events";
import { rmSync } from "node:fs";
import { request } from "node:http";
import { runnerApi, type RunnerView, type TerminalControl } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "./support/eventually.ts";
import { findTraces } from "./support/processes.ts";
import { RunnerCommands } from "./support/runner-commands.ts";
import { launcher, createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Terminals in standalone runners, over WebSocket and through the command line. */
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

describe("a terminal", () => {
  interface Viewer {
    readonly socket: WebSocket;
    readonly text: () => string;
    readonly controls: TerminalControl[];
  }

  async function view(runner: RunnerView, terminal = "new", query = ""): Promise<Viewer> {
    const { url, token } = await wharf.client.locate();
    const address = `${url.replace("http", "ws")}/api/v1/runners/${runner.id}/terminals/${terminal}?${query}`;
    const socket = new WebSocket(address, { headers: { authorization: `Bearer ${token}` } });
    const pieces: Buffer[] = [];
    const controls: TerminalControl[] = [];
    socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) return pieces.push(data);
      const control: TerminalControl = JSON.parse(data.toString());
      controls.push(control);
      if (control.type === "offset") socket.send(JSON.stringify({ type: "ack", offset: control.offset }));
    });
    await once(socket, "open");
    return { socket, controls, text: () => Buffer.concat(pieces).toString() };
  }
  const shows = ({ text }: Viewer, words: string) => eventually(() => text().includes(words), true);

  test("carries bytes both ways, is resized, replays to another viewer, and reports its end", async () => {
    const runner = await runners.create();
    const one = await view(runner, "new", "cols=100&rows=30");
    await eventually(() => one.controls.some(({ type }) => type === "attached"), true);
    one.socket.send(Buffer.from("stty size; echo gr\\\nüße\n"));
    await shows(one, "30 100");
    await shows(one, "grüße");
    const attached = one.controls.find((control) => control.type === "attached")!;
    const { terminal_id } = attached.terminal;
    const two = await view(runner, terminal_id);
    await shows(two, "grüße");
    one.socket.send(JSON.stringify({ type: "resize", cols: 90, rows: 20 }));
    one.socket.send(Buffer.from("stty size\n"));
    await shows(two, "20 90");
    two.socket.send(Buffer.from("echo not mine\n"));
    await eventually(() => two.controls.some(({ type }) => type === "refused"), true);
    two.socket.send(JSON.stringify({ type: "take" }));
    two.socket.send(Buffer.from("head -c 3000000 /dev/zero | tr '\\0' x; echo; exit 5\n"));
    const end = { type: "exit", exit_code: 5 };
    await eventually(
      () => [one, two].every((v) => v.controls.some((c) => c.type === "exit" && c.exit_code === 5)),
      true,
    );
    expect(one.controls.at(-1)).toMatchObject(end);
    expect(one.text().split("x").length).toBeGreaterThan(3_000_000);
    await eventually(() => one.socket.readyState, WebSocket.CLOSED);
  });

  // S-079
  test("is refused without a token, to another site's page, and for a missing runner", async () => {
    const { url, token } = await wharf.client.locate();
    const status = async (path: string, headers: Record<string, string>) => {
      const socket = new WebSocket(`${url.replace("http", "ws")}/api/v1/runners/${path}`, { headers });
      socket.on("error", () => undefined);
      const [, response] = await once(socket, "unexpected-response");
      socket.terminate();
      return response.statusCode;
    };
    const authorization = `Bearer ${token}`;
    const nobody = `${crypto.randomUUID()}/terminals/new`;
    expect(await status(nobody, {})).toBe(401);
    expect(await status(nobody, { authorization, origin: "http://evil.example" })).toBe(403);
    expect(await status(nobody, { authorization })).toBe(404);
  });

  test("is not left behind by a failed upgrade, however it fails", async () => {
    const runner = await runners.create();
    const { url, token } = await wharf.client.locate();
    const upgrade = (path: string, headers: Record<string, string>) => {
      const address = `${url}/api/v1/runners/${runner.id}/terminals/${path}`;
      const call = request(address, {
        headers: {
          authorization: `Bearer ${token}`,
          connection: "upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
          ...headers,
        },
      });
      call.end();
      return once(call, "response").then(([answer]) => (answer.resume(), answer.statusCode));
    };
    expect(await upgrade("new", { "sec-websocket-key": "short" })).toBe(400);
    expect(await upgrade("new", { "sec-websocket-protocol": "a,,b" })).toBe(400);
    expect(await upgrade("new?shell=%00", {})).toBe(400);
    expect(await upgrade("%zz", {})).toBe(400);
    const params = { runner_id: runner.id };
    const terminals = async () => (await wharf.client.call(runnerApi.listRunnerTerminals, { params })).terminals;
    await eventually(terminals, []);
  });

  test("takes a person's keys, keeps running after ctrl-p ctrl-q, and restores the local terminal", async () => {
    const runner = await runners.create();
    const { spawn: spawnPty } = await import("@lydell/node-pty");
    const pty = spawnPty(
      "/bin/sh",
      ["-c", `"${process.execPath}" "${launcher}" runner attach ${runner.id}; echo "code $?"; stty -a`],
      {
        env: wharf.environment,
        cols: 111,
        rows: 33,
      },
    );
    let shown = "";
    pty.onData((text) => (shown += text));
    const ended = new Promise((resolve) => pty.onExit(resolve));
    await eventually(() => /[$#] $/.test(shown), true);
    pty.write("stty size; trap 'echo caught' INT\r");
    await eventually(() => shown.includes("33 111"), true);
    pty.write("\u0003");
    await eventually(() => shown.includes("caught"), true);
    pty.write("\u0010\u0011");
    await ended;
    expect(shown).toContain("--terminal");
    expect(shown).toContain("code 0");
    expect(shown).toMatch(/ icanon/);
    expect(shown).toMatch(/[^-]echo /);
  });
});

describe("an attached terminal", () => {
  test("restores the local terminal when a signal ends it during a full-screen program", async () => {
    const runner = await runners.create();
    const { spawn: spawnPty } = await import("@lydell/node-pty");
    const line = `trap '' TERM; "${process.execPath}" "${launcher}" runner attach ${runner.id}; echo "code $?"; stty -a`;
    const pty = spawnPty("/bin/sh", ["-c", line], { env: wharf.environment });
    let shown = "";
    pty.onData((text) => (shown += text));
    const ended = new Promise((resolve) => pty.onExit(resolve));
    await eventually(() => /[$#] $/.test(shown), true);
    pty.write("printf '\\033[?1049h\\033[?25l\\033[?1000h\\033[?2004h%s' ready; read x\r");
    await eventually(() => shown.includes("\u001b[?2004hready"), true);
    const pid = findTraces(runner.id).processes.find((one) => one.includes(" attach ") && !one.includes("/bin/sh"));
    process.kill(Number.parseInt(pid!, 10), "SIGTERM");
    await ended;
    expect(shown).toContain("\u001b[?1049l\u001b[?25h\u001b[?1000l\u001b[?2004l");
    expect(shown).toContain("code 143");
    expect(shown).toMatch(/ icanon/);
  });
});
