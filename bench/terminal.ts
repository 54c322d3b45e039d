/**
 * Measures a terminal over the wire against a bare PTY: `cat` of a large file, to one viewer that
 * acknowledges and to a hundred, and the time until a typed character appears. The daemon's part is
 * a separate process behind a unix socket, as on a machine with local runners; a separate process
 * reads the bare PTY too. `node bench/terminal.ts [megabytes]`
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, open } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, createServer as createSocketServer, type Socket } from "node:net";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { TerminalCreate, TerminalEvent, readTerminalFrames } from "@wharf/contract";
import { createWireClient, Mux, readNdjsonLines, serveHttp, type WireClient } from "@wharf/contract/wire";
import { createTerminalStreamHandler } from "../packages/daemon/src/api/terminal-routes.ts";
import { Terminals } from "../packages/daemon/src/terminals/index.ts";
import { formatDigits, type Figure, formatSpread, getSpread } from "./support/figures.ts";
import { presentFigures, getSize, logProgress } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";

const megabyte = 1_000_000;
const viewerCount = 100;
const keyCount = 500;
const maxLineBytes = 16 * 1024 * 1024;

async function daemon(folder: string): Promise<void> {
  const workspace = join(folder, "workspace");
  const terminals = await Terminals.open({ workspace, home: folder, state: join(folder, "state"), onFault: logFault });
  const handle = createTerminalStreamHandler(Promise.resolve(terminals));
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    handle(request, response)?.catch(() => response.destroy());
  });
  const socket = connect(join(folder, "wire.sock"));
  const mux = new Mux(socket, { side: "client", onStream: (stream) => serveHttp(stream, server) });
  process.on("message", async (message: { create?: string; bare?: string; stats?: string; remove?: string }) => {
    if (message.create !== undefined) {
      const { terminal_id } = await terminals.create(TerminalCreate.parse({ command: message.create }));
      process.send?.({ id: terminal_id });
    }
    if (message.stats !== undefined) process.send?.(await terminals.getStats(message.stats));
    if (message.remove !== undefined) process.send?.((await terminals.remove(message.remove), {}));
    if (message.bare !== undefined) process.send?.({ rate: await bare(message.bare) });
  });
  process.on("disconnect", () => {
    void terminals.close().then(() => (mux.close(), process.exit()));
  });
  process.send?.("ready");
}

const logFault = (error: unknown): void => logProgress(String(error));

/** Measures the throughput of a PTY whose output is read and discarded, in MB/s. */
async function bare(file: string): Promise<number> {
  const { spawn } = await import("@lydell/node-pty");
  const began = performance.now();
  let bytes = 0;
  const pty = spawn("cat", [file], { encoding: null, cols: 80, rows: 24 });
  pty.onData((data) => (bytes += data.length));
  await new Promise<void>((resolve) => pty.onExit(() => resolve()));
  return bytes / megabyte / ((performance.now() - began) / 1000);
}

interface Seen {
  bytes: number;
  gaps: number;
  detached: boolean;
  took: number;
}

/**
 * A viewer that attaches, starts to read at the greeting, and acknowledges the data that it reads.
 */
async function view(client: WireClient, id: string, { name, start }: { name: string; start: boolean }): Promise<Seen> {
  const body = new PassThrough();
  body.write("\n");
  const path = `/terminals/${id}/attach?history=false&format=frames&viewer_id=${name}`;
  const answer = await client.request({ method: "POST", path, body });
  const seen: Seen = { bytes: 0, gaps: 0, detached: false, took: 0 };
  let began = performance.now();
  for await (const event of readTerminalFrames(answer.body, maxLineBytes)) {
    if (event.type === "attached" && start) {
      began = performance.now();
      body.write('{"type":"input","data":"\\r","take":true}\n');
    }
    if (event.type === "gap") seen.gaps += 1;
    if (event.type === "detached") seen.detached = true;
    if (event.type !== "text") continue;
    seen.bytes += event.next - event.offset;
    body.write(`{"type":"ack","offset":${event.next}}\n`);
  }
  seen.took = (performance.now() - began) / 1000;
  body.end();
  return seen;
}

async function typing(client: WireClient, id: string): Promise<number[]> {
  const body = new PassThrough();
  body.write("\n");
  const answer = await client.request({ method: "POST", path: `/terminals/${id}/attach?viewer_id=typist`, body });
  const times: number[] = [];
  let from = 0;
  const key = (): void => {
    from = performance.now();
    body.write('{"type":"input","data":"k"}\n');
  };
  for await (const line of readNdjsonLines(answer.body, maxLineBytes)) {
    const event = TerminalEvent.parse(JSON.parse(line));
    if (event.type === "attached") key();
    if (event.type !== "stdout") continue;
    times.push(performance.now() - from);
    body.write(`{"type":"ack","offset":${event.next}}\n`);
    if (times.length === keyCount) break;
    key();
  }
  body.end();
  answer.body.destroy();
  return times.slice(keyCount / 10);
}

async function measure(): Promise<Figure[]> {
  await using folder = await createScratchFolder();
  await mkdir(join(folder.path, "workspace"));
  const megabytes = getSize(200);
  const file = join(folder.path, "workspace", "large.txt");
  await write(file, megabytes);
  const few = join(folder.path, "workspace", "few.txt");
  await write(few, megabytes / 20);
  const listener = createSocketServer().listen(join(folder.path, "wire.sock"));
  await once(listener, "listening");
  const worker = fork(import.meta.filename, ["--daemon", folder.path]);
  const ask = async <T>(message: object): Promise<T> => {
    const answered = once(worker, "message");
    worker.send(message);
    const [answer] = await answered;
    return answer as T;
  };
  try {
    const [[socket]] = (await Promise.all([once(listener, "connection"), once(worker, "message")])) as [
      [Socket],
      unknown,
    ];
    const mux = new Mux(socket, { side: "server", onStream: (stream) => stream.destroy() });
    const client = createWireClient(mux, { runnerId: "bench" });
    const create = async (command: string) => (await ask<{ id: string }>({ create: command })).id;
    const rate = ({ bytes, took }: Seen) => bytes / megabyte / took;

    const bares: number[] = [];
    const ours: number[] = [];
    let lost = 0;
    for (let round = 0; round < 3; round++) {
      bares.push((await ask<{ rate: number }>({ bare: file })).rate);
      const id = await create(`read x; exec cat ${file}`);
      const seen = await view(client, id, { name: "ann", start: true });
      lost += seen.gaps + (seen.detached ? 1 : 0);
      ours.push(rate(seen));
      await ask({ remove: id });
    }
    logProgress(
      `bare ${bares.map(formatDigits).join(" ")}, over the wire ${ours.map(formatDigits).join(" ")} MB/s; gaps or detached: ${lost}`,
    );
    const [bareRate, ourRate] = [getSpread(bares).p50, getSpread(ours).p50];

    const id = await create(`read x; exec cat ${few}`);
    const names = Array.from({ length: viewerCount }, (_, n) => `viewer${n}`);
    const others = names.slice(1).map((name) => view(client, id, { name, start: false }));
    while ((await ask<{ viewers: number }>({ stats: id })).viewers < viewerCount - 1);
    const all = await Promise.all([view(client, id, { name: names[0] ?? "", start: true }), ...others]);
    const [first] = all;
    if (!first) throw new Error("no viewer connected");
    const complete = all.filter(({ bytes, gaps, detached }) => bytes === first.bytes && gaps === 0 && !detached).length;
    const total = all.reduce((sum, { bytes }) => sum + bytes, 0) / megabyte / first.took;

    const cat = await create("exec cat");
    const keys = getSpread(await typing(client, cat));
    mux.close();
    return [
      {
        what: `terminal, cat of ${megabytes} MB to one viewer that acknowledges`,
        wharf: `${formatDigits(ourRate)} MB/s`,
        beside: `bare PTY ${formatDigits(bareRate)} MB/s`,
        ratio: ourRate / bareRate,
        hold: "35 MB/s and 0.5",
      },
      {
        what: `terminal, cat of ${megabytes / 20} MB to ${viewerCount} viewers; ${complete} saw all of it`,
        wharf: `${formatDigits(rate(first))} MB/s, ${formatDigits(total)} MB/s to all of them`,
        beside: `bare PTY ${formatDigits(bareRate)} MB/s`,
        ratio: rate(first) / bareRate,
      },
      { what: "terminal, a key typed → its echo seen, p50 / p99", wharf: formatSpread(keys) },
    ];
  } finally {
    const exited = once(worker, "exit");
    worker.disconnect();
    await exited;
    listener.close();
  }
}

/** Writes lines as a build prints them. */
async function write(path: string, megabytes: number): Promise<void> {
  await using file = await open(path, "w");
  const lines = Array.from(
    { length: 10_000 },
    (_, n) => `[${n}] compiling src/module-${n}.ts … \u001B[32mok\u001B[0m\n`,
  );
  const piece = Buffer.from(lines.join(""));
  for (let bytes = 0; bytes < megabytes * megabyte; bytes += piece.length) await file.write(piece);
}

if (process.argv[2] === "--daemon") await daemon(process.argv[3] ?? "");
else await presentFigures(measure);
