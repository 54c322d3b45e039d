import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import {
  consoleId,
  ExecEvent,
  ExecRequest,
  TerminalCreate,
  TerminalEvent,
  toWharfError,
  type ViewerMessage,
} from "@wharf/contract";
import { createWireClient, readNdjsonLines, serveHttp, type WireClient } from "@wharf/contract/wire";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { muxPair, type MuxPair } from "../../../contract/src/wire/testing.ts";
import { Commands } from "../exec/index.ts";
import { Terminals } from "../terminals/index.ts";
import { createExecHandlers } from "./exec-routes.ts";
import { createTerminalHandlers, createTerminalStreamHandler } from "./terminal-routes.ts";

let folder: string;
let terminals: Terminals;
let commands: Commands;
let wire: MuxPair;
let client: WireClient;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharf-terminal-routes-"));
  const workspace = join(folder, "workspace");
  await mkdir(workspace);
  const options = { workspace, home: folder, state: join(folder, "state"), onFault: () => undefined };
  terminals = await Terminals.open(options);
  commands = await Commands.open({ ...options, console: terminals.console });
  const handle = createTerminalStreamHandler(Promise.resolve(terminals));
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    const answered = handle(request, response) ?? Promise.reject(new Error("no route"));
    answered.catch((error: unknown) => {
      const problem = toWharfError(error, "test").toProblem();
      response.writeHead(problem.status, { "content-type": "application/problem+json" });
      response.end(JSON.stringify(problem));
    });
  });
  wire = muxPair({}, { onStream: (stream) => serveHttp(stream, server) });
  client = createWireClient(wire.client, { runnerId: "test" });
});
afterEach(async () => {
  wire[Symbol.dispose]();
  await commands.close();
  await terminals.close();
  await rm(folder, { recursive: true, force: true });
});

const create = async (request: object) => (await terminals.create(TerminalCreate.parse(request))).terminal_id;

async function attach(id: string, query = "") {
  const body = new PassThrough();
  // node:http sends a request's head with the first byte of its body.
  body.write("\n");
  const answer = await client.request({ method: "POST", path: `/terminals/${id}/attach${query}`, body });
  expect(answer.status).toBe(200);
  const events = readEvents(answer.body);
  const send = (message: ViewerMessage) => void body.write(`${JSON.stringify(message)}\n`);
  return { events, send, body, answer };
}

async function* readEvents(body: Readable): AsyncGenerator<TerminalEvent, void, undefined> {
  for await (const line of readNdjsonLines(body, 1024 * 1024)) yield TerminalEvent.parse(JSON.parse(line));
}

async function readTextUntil(events: AsyncGenerator<TerminalEvent>, what: string): Promise<string> {
  let text = "";
  while (!text.includes(what)) {
    const { value, done } = await events.next();
    if (done) throw new Error(`the stream ended behind ${text}`);
    if (value.type === "stdout") text += value.data;
  }
  return text;
}

test("input, resizes and acknowledgements use the stream whose response carries the terminal's output", async () => {
  const id = await create({});
  const { events, send, body } = await attach(id, "?viewer_id=ann");
  expect((await events.next()).value).toMatchObject({ type: "attached", viewer_id: "ann" });
  send({ type: "resize", cols: 111, rows: 22 });
  send({ type: "input", data: "stty size; echo done $((40+2))\r" });
  expect(await readTextUntil(events, "done 42")).toContain("22 111");
  send({ type: "input", data: "seq 1 100000; echo end $((6*7))\r" });
  let next = 0;
  let text = "";
  for await (const event of events) {
    if (event.type === "stdout") {
      text = (text + event.data).slice(-2000);
      ({ next } = event);
      send({ type: "ack", offset: next });
    }
    if (text.includes("end 42")) break;
  }
  expect((await terminals.getStats(id)).dropped_entries).toBe(0);
  expect(next).toBeGreaterThan(500_000);
  body.end();
});

test("a client that sends an invalid or forbidden message gets an error, and the stream continues", async () => {
  const id = await create({ command: "cat" });
  terminals.get(id).takeKeyboard("bob");
  const bob = await attach(id, "?viewer_id=bob");
  terminals.get(id).takeKeyboard("bob");
  const ann = await attach(id, "?viewer_id=ann");
  ann.body.write('{"type":"dance"}\nnot json\n');
  ann.send({ type: "input", data: "x" });
  const refused: unknown[] = [];
  for await (const event of ann.events) {
    if (event.type === "refused") refused.push([event.what, event.code]);
    if (refused.length === 3) break;
  }
  expect(refused).toEqual([
    ["line", "bad_request"],
    ["line", "bad_request"],
    ["input", "keyboard_in_use"],
  ]);
  await expect.poll(async () => (await terminals.getInfo(id)).viewers).toBe(1);
  bob.body.end();
});

test("a lost wire loses no output: the next one continues at the offset", async () => {
  const id = await create({ command: "for i in $(seq 1 30); do echo line $i; sleep 0.01; done" });
  let text = "";
  let next = 0;
  for (let exit = false; !exit;) {
    const answer = await client.request({ method: "GET", path: `/terminals/${id}/stream?after=${next}&viewer_id=ann` });
    let acceptedCount = 0;
    for await (const event of readEvents(answer.body)) {
      if (event.type === "exit") exit = true;
      if ("next" in event) ({ next } = event);
      if (event.type !== "stdout") continue;
      text += event.data;
      if (++acceptedCount === 4) break;
    }
    answer.body.destroy();
  }
  expect(text).toBe(Array.from({ length: 30 }, (_, n) => `line ${n + 1}\r\n`).join(""));
});

test("the console sends every command, with its history or from now on", async () => {
  const handlers = createExecHandlers(Promise.resolve(commands));
  const signal = new AbortController().signal;
  const exec = async (command: string) =>
    Array.fromAsync(await handlers.exec({ body: ExecRequest.parse({ command }) }, signal));
  const events = (await exec("echo one; echo two >&2; exit 3")).map((event) => ExecEvent.parse(event));
  expect(events.at(-1)).toMatchObject({ type: "exit", exit_code: 3 });
  const all = await client.request({ method: "GET", path: "/terminal/stream?history=true" });
  const liveStream = await client.request({ method: "GET", path: "/terminal/stream?history=false" });
  await exec("echo three");
  const seen: unknown[] = [];
  for await (const event of readEvents(all.body)) {
    if ("data" in event) seen.push([event.type, event.data]);
    if (seen.length === 7) break;
  }
  expect(seen.slice(0, 4).map(String).toSorted()).toEqual([
    "command,echo one; echo two >&2; exit 3",
    "stderr,two\n",
    "stdout,one\n",
    "system,exit code 3",
  ]);
  expect(seen.slice(4)).toEqual([
    ["command", "echo three"],
    ["stdout", "three\n"],
    ["system", "exit code 0"],
  ]);
  const later: unknown[] = [];
  for await (const event of readEvents(liveStream.body)) {
    if ("data" in event) later.push(event.data);
    if (later.length === 3) break;
  }
  expect(later).toEqual(["echo three", "three\n", "exit code 0"]);
  const { entries } = await createTerminalHandlers(Promise.resolve(terminals)).terminalHistory(
    { query: { terminal_id: consoleId, after: undefined, limit: 100 } },
    signal,
  );
  expect(entries).toHaveLength(7);
});

test("a missing terminal, an invalid query and a stream of another kind are refused at once", async () => {
  const status = async (path: string) => {
    const answer = await client.request({ method: "GET", path });
    answer.body.resume();
    return answer.status;
  };
  expect(await status("/terminals/00000000-0000-4000-8000-000000000000/stream")).toBe(404);
  expect(await status("/terminals/none/stream")).toBe(400);
  expect(await status("/terminal/stream?after=-1")).toBe(400);
  expect(await status("/terminal/stream?format=xml")).toBe(400);
});

test("whatever a viewer sends, the daemon survives, and only that viewer's stream ends", async () => {
  const id = await create({ command: "cat" });
  const message = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .record({ type: fc.constantFrom("input", "ack", "resize", "take"), data: fc.string(), offset: fc.integer() })
      .map((one) => JSON.stringify(one)),
    fc.constant(`{"type":"resize","cols":1e9,"rows":-1}`),
  );
  const lines = fc.sample(message, Number(process.env["FUZZ_CASES"] ?? 3000));
  const { body, answer } = await attach(id);
  answer.body.resume();
  // Some keys end the program or stop its output by design, so the flood leaves them out.
  const keys = /\\u00[01][0-9a-f]|[^ -~]/gi;
  for (const line of lines) body.write(`${line.replace(keys, " ")}\n`);
  const flood = await attach(id);
  flood.answer.body.on("error", () => undefined).resume();
  flood.body.on("error", () => undefined).write("x".repeat(1_000_000));
  const watcher = await client.request({ method: "GET", path: `/terminals/${id}/stream?history=false` });
  const events = readEvents(watcher.body);
  await events.next();
  terminals.get(id).writeInput("ann", { data: "still here\r", take: true });
  await readTextUntil(events, "still here");
  expect((await terminals.getInfo(id)).state).toBe("running");
});
