import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { api, runnerApi, type RunnerView, type TerminalControl } from "@wharf/contract";
import { eventually } from "./support/eventually.ts";
import { type ModelServer, startGemini } from "./support/models/index.ts";
import { makeRepository } from "./support/repository.ts";
import { noTraces, tracesOf } from "./support/processes.ts";
import { scratchFolder, Wharf } from "./support/wharf.ts";

/** Standalone runners, through the command line as people use it. */
const launcher = join(import.meta.dirname, "../packages/cli/bin/wharf.js");
let folder: string;
let wharf: Wharf;
let model: ModelServer;

beforeAll(async () => {
  folder = scratchFolder();
  model = await startGemini({ key: "real-key", script: () => ({ text: "hello yourself" }) });
  const routes = { GEMINI_API_KEY: "real-key", GEMINI_BASE_URL: model.url, WHARF_LOCAL_UNSAFE: "1" };
  wharf = new Wharf(folder, routes);
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

function begin(args: readonly string[], stdin: "ignore" | "pipe" = "ignore"): ChildProcess {
  return spawn(process.execPath, [launcher, "runner", ...args], {
    env: wharf.environment,
    stdio: [stdin, "pipe", "pipe"],
  });
}

async function cli(args: readonly string[], input?: Buffer): Promise<Ended> {
  const child = begin(args, input ? "pipe" : "ignore");
  child.stdin?.on("error", () => undefined).end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    buffer(child.stdout!),
    buffer(child.stderr!),
    once(child, "close"),
  ]);
  return { code: Number(code), stdout, stderr: stderr.toString() };
}

async function create(...args: string[]): Promise<RunnerView> {
  const { code, stdout, stderr } = await cli(["create", "--json", ...args]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout.toString());
}
const exec = (runner: Pick<RunnerView, "id">, command: string, ...options: string[]) =>
  cli(["exec", ...options, runner.id.slice(0, 8), "--", command]);

describe("a life", () => {
  // R-009 R-026
  test("is created with a size and an environment, listed, stopped, started, and removed without a trace", async () => {
    const runner = await create("-n", "my own", "--tier", "grad-medium", "-e", "GREETING=hello there");
    expect(runner).toMatchObject({
      name: "my own",
      state: "READY",
      tier: "grad-medium",
      resources: { cpu_millicores: 4000, memory_mb: 4096, storage_gb: 40 },
      environment: { GREETING: "hello there" },
    });
    const custom = await create("--cpus", "0.5", "--memory", "1", "--disk", "5");
    expect(custom).toMatchObject({
      tier: "custom",
      resources: { cpu_millicores: 500, memory_mb: 1024, storage_gb: 5 },
    });
    const page = await wharf.client.call(runnerApi.listRunners, { query: { limit: 1, status: "READY" } });
    expect(page).toMatchObject({ total: 2, runners: [{ id: custom.id }] });
    expect((await cli(["ls"])).stdout.toString()).toMatch(/RUNNER[^]*grad-medium[^]*my own/);
    const { limits } = await wharf.client.call(api.serverInfo, {});
    const shown = (await cli(["get", runner.id])).stdout.toString();
    expect(shown).toContain("4 CPU, 4096 MiB, 40 GiB");
    expect(shown).toMatch(/^ +limits +(limited: .+; )?not limited: .*disk$/m);
    expect(shown).toContain(limits);

    expect((await exec(runner, "echo $GREETING > kept; echo $GREETING")).stdout.toString()).toBe("hello there\n");
    expect((await exec(runner, "echo $GREETING", "-e", "GREETING=other")).stdout.toString()).toBe("other\n");
    expect((await cli(["stop", runner.id])).stdout.toString()).toContain("STOPPED");
    expect(tracesOf(runner.id).processes).toEqual([]);
    const refused = await exec(runner, "true");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("STOPPED") });
    expect((await cli(["start", runner.id])).stdout.toString()).toContain("READY");
    expect((await exec(runner, "cat kept")).stdout.toString()).toBe("hello there\n");

    expect((await cli(["rm", "--all"])).code).toBe(0);
    for (const { id } of [runner, custom]) {
      expect(tracesOf(id)).toEqual(noTraces);
      expect(existsSync(join(wharf.data, "runners", id))).toBe(false);
    }
    expect((await wharf.client.call(runnerApi.listRunners, {})).total).toBe(0);
    const gone = await wharf.client.call(runnerApi.listRunners, { query: { status: "DESTROYED" } });
    expect(gone.total).toBe(2);
  });

  test("is created once however often it is asked for, and a name too long or a tier unknown is refused", async () => {
    const id = crypto.randomUUID();
    const ask = (body: object) => wharf.client.call(runnerApi.createRunner, { query: { wait: "true" }, body });
    const [a, b] = await Promise.all([ask({ id }), ask({ id })]);
    expect([a.id, b.id, a.state, b.state]).toEqual([id, id, "READY", "READY"]);
    await wharf.client.call(runnerApi.deleteRunner, { params: { runner_id: id } });
    await expect(ask({ id })).rejects.toMatchObject({ code: "conflict" });
    await expect(ask({ name: "x".repeat(101) })).rejects.toMatchObject({ code: "bad_request" });
    await expect(ask({ tier: "huge" })).rejects.toMatchObject({ code: "bad_request" });
    await expect(ask({ tier: "custom" })).rejects.toMatchObject({ code: "bad_request" });
    expect((await cli(["rm"])).code).toBe(2);
  });
});

describe("exec", () => {
  let runner: RunnerView;
  beforeAll(async () => {
    runner = await create();
  });

  // R-011 R-033 X-019
  test("keeps stdout and stderr apart and exits as the command does", async () => {
    const ended = await exec(runner, "echo out; echo err >&2; exit 7");
    expect([ended.code, ended.stdout.toString(), ended.stderr]).toEqual([7, "out\n", "err\n"]);
    expect((await exec(runner, "kill -TERM $$")).code).toBe(143);
    expect((await exec(runner, "no-such-program")).code).toBe(127);
    const slow = await exec(runner, "echo before; sleep 60", "-t", "0.5");
    expect(slow).toMatchObject({
      code: 124,
      stdout: Buffer.from("before\n"),
      stderr: expect.stringMatching(/longer than 0\.5 s.*--timeout/),
    });
    const words = await cli(["execute-command", runner.id, "--", "printf", "%s|", "a b", "$HOME", "it's"]);
    expect(words.stdout.toString()).toBe("a b|$HOME|it's|");
    expect((await exec(runner, "mkdir -p deep && cd deep && pwd")).code).toBe(0);
    expect((await exec(runner, "pwd", "-w", "deep")).stdout.toString()).toMatch(/\/deep\n$/);
    expect((await exec(runner, "pwd", "-w", "../..")).code).toBe(2);
    writeFileSync(join(folder, "script"), "echo from a file\n");
    expect((await cli(["execute", runner.id, "--file", join(folder, "script")])).stdout.toString()).toBe(
      "from a file\n",
    );
  });

  test("gives the command what is piped in with -i, every byte, and brings back every byte", async () => {
    const bytes = randomBytes(3_000_001);
    const { code, stdout } = await cli(["exec", "-i", runner.id, "--", "cat"], bytes);
    expect([code, stdout.equals(bytes)]).toEqual([0, true]);
    const some = await cli(["exec", "-i", runner.id, "--", "head -c 5"], bytes);
    expect(some.stdout.equals(bytes.subarray(0, 5))).toBe(true);
    expect((await cli(["exec", "-i", runner.id, "--", "exit 3"], bytes)).code).toBe(3);
  });

  test("leaves stdin alone without -i, so that a loop over lines runs to its end", async () => {
    const loop = `while read -r word; do "${process.execPath}" "${launcher}" runner exec ${runner.id} echo "<$word>"; done`;
    const child = spawn("/bin/sh", ["-c", loop], { env: wharf.environment, stdio: ["pipe", "pipe", "ignore"] });
    child.stdin.end("one\ntwo\nthree\n");
    expect((await buffer(child.stdout)).toString()).toBe("<one>\n<two>\n<three>\n");
  });

  test("leaves a program's options to the program, with and without --", async () => {
    const script = "console.log(process.argv.slice(1).join(' '))";
    for (const line of [["node"], ["--", "node"]]) {
      const { stdout } = await cli(["exec", "-w", ".", runner.id, ...line, "-e", script, "--", "--json", "--version"]);
      expect(stdout.toString()).toBe("--json --version\n");
    }
    expect((await cli(["exec", runner.id, "node", "--version"])).stdout.toString()).toBe(`${process.version}\n`);
  });

  test("loses nothing of 200 MB, and the server does not keep it", async () => {
    const child = begin(["exec", runner.id, "--", "yes 0123456789abcdef | head -c 200000000; echo end >&2"]);
    let [length, said] = [0, ""];
    child.stdout!.on("data", (piece: Buffer) => (length += piece.length));
    child.stderr!.on("data", (piece: Buffer) => (said += piece.toString()));
    const [code] = await once(child, "close");
    expect([code, length, said]).toEqual([0, 200_000_000, "end\n"]);
    const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${wharf.pid}/status`, "utf8"))?.[1]) * 1024;
    expect(memory).toBeLessThan(450 * 1024 * 1024);
  });

  test("ends the command when its caller leaves", async () => {
    const mark = `sleep 98${Math.trunc(Math.random() * 1e6)}`;
    const child = begin(["exec", "-t", "600", runner.id, "--", `echo begun; ${mark}`]);
    await once(child.stdout!, "data");
    child.kill("SIGKILL");
    await once(child, "close");
    await eventually(
      async () => (await exec(runner, `pgrep -fc '${mark.replace("s", "[s]")}'`)).stdout.toString(),
      "0\n",
    );
  });

  test("serves two at once, and a log tells what both did", async () => {
    const wait =
      "touch here-$ME; for i in $(seq 200); do [ -e here-$OTHER ] && break; sleep 0.05; done; [ -e here-$OTHER ] && echo met-$OTHER";
    const [a, b] = await Promise.all([
      exec(runner, wait, "-e", "ME=a", "-e", "OTHER=b"),
      exec(runner, wait, "-e", "ME=b", "-e", "OTHER=a"),
    ]);
    expect([a.stdout.toString(), b.stdout.toString()]).toEqual(["met-b\n", "met-a\n"]);
    const { code, stdout } = await cli(["logs", runner.id]);
    expect([code, ...["met-a\n", "met-b\n"].map((words) => stdout.includes(words))]).toEqual([0, true, true]);
  });

  test("answers a program with all of it at once, and says what went wrong in words", async () => {
    const params = { runner_id: runner.id };
    const result = await wharf.client.call(runnerApi.execRunnerOnce, { params, body: { command: "echo hi; exit 4" } });
    expect(result).toMatchObject({ stdout: "hi\n", exit_code: 4, timed_out: false });
    const missing = await cli(["exec", "00000000", "--", "true"]);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("runner") });
  });
});

describe("a model route", () => {
  /** A program that calls a model from inside a runner, and prints the status and the answer. */
  const program = (route: string, token = "process.env.WHARF_TOKEN") => `
    const url = process.env.WHARF_GATEWAY + "/models/${route}/v1beta/models/gemini-2.5-flash:generateContent";
    const headers = { "content-type": "application/json", "x-goog-api-key": ${token} ?? "none" };
    const body = JSON.stringify({ contents: [{ role: "user", parts: [{ text: "hello" }] }] });
    fetch(url, { method: "POST", headers, body }).then(async (answer) => console.log(answer.status, await answer.text()));
  `;
  const ask = async (runner: RunnerView, ...asked: Parameters<typeof program>) =>
    (await cli(["exec", runner.id, "node", "-e", program(...asked)])).stdout.toString();

  test("is open to the programs of a runner that was created with it, with a token of its own", async () => {
    const runner = await create("--model-route", "gemini");
    expect(runner).toMatchObject({ model_route: "gemini" });
    expect(await ask(runner, "gemini")).toMatch(/^200 .*"candidates"/);
    expect(model.requests.at(-1)).toMatchObject({ prompt: "hello", headers: { "x-goog-api-key": "real-key" } });
    expect(await ask(runner, "openai")).toMatch(/^403 /);
    expect(await ask(runner, "gemini", '"wharf_other"')).toMatch(/^401 /);
    expect((await cli(["get", runner.id])).stdout.toString()).toMatch(/models +gemini/);

    const plain = await create();
    expect((await exec(plain, 'echo "<$WHARF_TOKEN>"')).stdout.toString()).toBe("<>\n");
    expect(await ask(plain, "gemini")).toMatch(/^403 /);
    const token = (await exec(runner, "printenv WHARF_TOKEN")).stdout.toString().trim();
    expect(token).toMatch(/^wharf_/);
    expect(await ask(plain, "gemini", JSON.stringify(token))).toMatch(/^403 /);
    expect(model.requests).toHaveLength(1);
  });

  test("without a key in the server, and an image where runners are not made of any, are refused", async () => {
    const route = await cli(["create", "--model-route", "openai"]);
    expect(route).toMatchObject({ code: 2, stderr: expect.stringContaining("no key for the model route 'openai'") });
    const image = await cli(["create", "--image", "wharf-python:latest"]);
    expect(image).toMatchObject({ code: 2, stderr: expect.stringContaining("does not make runners of images") });
  });
});

describe("cp", () => {
  test("brings files and folders in and out as they were", async () => {
    const runner = await create();
    const bytes = randomBytes(5_000_003);
    const at = (...path: string[]) => join(folder, "cp", ...path);
    mkdirSync(at("tree", "empty"), { recursive: true });
    writeFileSync(at("one.bin"), bytes, { mode: 0o755 });
    writeFileSync(at("tree", "ä b"), bytes);
    symlinkSync("ä b", at("tree", "link"));
    expect(await cli(["cp", at("one.bin"), `${runner.id}:new/two.bin`])).toMatchObject({ code: 0 });
    const sum = createHash("sha256").update(bytes).digest("hex");
    const seen = await exec(runner, "sha256sum < new/two.bin; stat -c %a new/two.bin");
    expect(seen.stdout.toString()).toBe(`${sum}  -\n755\n`);
    expect((await cli(["cp", at("tree"), `${runner.id}:new`])).code).toBe(0);
    expect((await exec(runner, "ls new/tree")).stdout.toString().split("\n").toSorted().join(" ")).toBe(
      " empty link ä b",
    );

    expect((await cli(["cp", `${runner.id}:new/two.bin`, at("three.bin")])).code).toBe(0);
    expect(readFileSync(at("three.bin")).equals(bytes)).toBe(true);
    expect(statSync(at("three.bin")).mode & 0o100).toBe(0o100);
    mkdirSync(at("back"));
    expect((await cli(["cp", `${runner.id}:new`, at("back")])).code).toBe(0);
    expect(readFileSync(at("back", "new", "tree", "link")).equals(bytes)).toBe(true);
    expect(existsSync(at("back", "new", "tree", "empty"))).toBe(true);

    expect(await cli(["cp", `${runner.id}:none`, at("x")])).toMatchObject({ code: 2 });
    expect(await cli(["cp", at("one.bin"), `${runner.id}:../../out`])).toMatchObject({ code: 2 });
    expect(await cli(["cp", at("one.bin"), at("x")])).toMatchObject({ code: 2 });
    expect(existsSync(at("x"))).toBe(false);
    writeFileSync(at("huge"), Buffer.alloc(51 * 1024 * 1024));
    expect(await cli(["cp", at("huge"), `${runner.id}:huge`])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("huge"),
    });
    expect((await exec(runner, "ls")).stdout.toString()).toBe("new\n");
  });
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

  test("carries bytes both ways, is resized, shown again from the beginning to another viewer, and tells its end", async () => {
    const runner = await create();
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
  test("is refused without a token, to another's page, and where there is no such runner", async () => {
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

  test("is not left behind by an upgrade that does not come about, however it fails", async () => {
    const runner = await create();
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

  test("is a person's: keys go in, ctrl-p ctrl-q leaves it at work, the local terminal is as it was", async () => {
    const runner = await create();
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

describe("a terminal that is attached", () => {
  test("gives the local one back as it was when it is ended by a signal in the midst of a full-screen program", async () => {
    const runner = await create();
    const { spawn: spawnPty } = await import("@lydell/node-pty");
    const line = `trap '' TERM; "${process.execPath}" "${launcher}" runner attach ${runner.id}; echo "code $?"; stty -a`;
    const pty = spawnPty("/bin/sh", ["-c", line], { env: wharf.environment });
    let shown = "";
    pty.onData((text) => (shown += text));
    const ended = new Promise((resolve) => pty.onExit(resolve));
    await eventually(() => /[$#] $/.test(shown), true);
    pty.write("printf '\\033[?1049h\\033[?25l\\033[?1000h\\033[?2004h%s' ready; read x\r");
    await eventually(() => shown.includes("\u001b[?2004hready"), true);
    const pid = tracesOf(runner.id).processes.find((one) => one.includes(" attach ") && !one.includes("/bin/sh"));
    process.kill(Number.parseInt(pid!, 10), "SIGTERM");
    await ended;
    expect(shown).toContain("\u001b[?1049l\u001b[?25h\u001b[?1000l\u001b[?2004l");
    expect(shown).toContain("code 143");
    expect(shown).toMatch(/ icanon/);
  });
});

describe("a server that is killed", () => {
  test("leaves the runner at work, and the next one goes on with it; a daemon that is killed is started again", async () => {
    const runner = await create();
    await exec(runner, "echo 1 > kept");
    const before = tracesOf(runner.id).processes.length;
    expect(before).toBeGreaterThan(0);
    await wharf.kill();
    expect(tracesOf(runner.id).processes.length).toBe(before);
    await wharf.start();
    expect((await exec(runner, "cat kept")).stdout.toString()).toBe("1\n");
    const { daemon } = JSON.parse(readFileSync(join(wharf.data, "runners", runner.id, "run.json"), "utf8"));
    process.kill(daemon.pid, "SIGKILL");
    await eventually(async () => (await exec(runner, "cat kept")).stdout.toString(), "1\n");
  });

  test("and one whose creation was cut off makes it all the same", async () => {
    const id = crypto.randomUUID();
    await wharf.client.call(runnerApi.createRunner, { body: { id } });
    await wharf.kill();
    await wharf.start();
    const look = () =>
      wharf.client.call(runnerApi.getRunner, { params: { runner_id: id } }, { retryTimeoutMs: 10_000 });
    await eventually(async () => (await look()).state, "READY");
  });
});

describe("a run's runner", () => {
  test("is open to its owner over the run's own wire, and is not theirs to remove", async () => {
    const task = await wharf.createTask({ repository_url: makeRepository(join(folder, "remote")) });
    await wharf.turn(task, "demo: write made.txt by the agent");
    const all = await wharf.client.call(runnerApi.listRunners, {});
    const runner = all.runners.find(({ run_id }) => run_id !== undefined)!;
    expect((await exec(runner, "cat made.txt")).stdout.toString().trim()).toBe("by the agent");
    await wharf.turn(task, "demo: say still here");
    expect(await cli(["rm", runner.id])).toMatchObject({ code: 2, stderr: expect.stringContaining("run") });
    expect((await exec(runner, "true")).code).toBe(0);
  });
});

// K-073
test("`down` ends them too, keeps their disks, and leaves no process", async () => {
  const runner = await create();
  await exec(runner, "echo x > kept");
  await wharf[Symbol.asyncDispose]();
  await eventually(() => tracesOf(wharf.data), noTraces, 20_000);
  await wharf.start();
  expect((await cli(["start", runner.id])).code).toBe(0);
  expect((await exec(runner, "cat kept")).stdout.toString()).toBe("x\n");
});
