/**
 * Measures HTTP over the wire against HTTP on a separate socket: latency, throughput, and small
 * requests beside large ones. Each variant uses two processes and one unix socket, as on a machine
 * with local runners. The server calls the daemon and the daemon calls the server on the same wire.
 * Run it with `node bench/wire.ts [megabytes]`.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import type { IncomingMessage, RequestOptions, Server } from "node:http";
import { connect, createServer as createSocketServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Mux, serveHttp, WireAgent } from "../packages/contract/src/wire/index.ts";
import { formatDigits, type Figure, type Spread, formatSpread, getSpread } from "./support/figures.ts";
import { presentFigures, getSize } from "./support/program.ts";

const megabyte = 1024 * 1024;
const pieceBytes = Buffer.alloc(64 * 1024, "w");
const smallRequests = 4000;
const warmUp = 1000;

type Way = "direct" | "wire";
interface Figures {
  one: Spread;
  fifty: Spread;
  download1: number;
  download8: number;
  upload1: number;
  upload8: number;
  beside: Spread;
}

/** Both ends serve `/small`, `/large?mb=` and `/upload`. */
function pieceServer(): Server {
  return createServer((incoming, answer) => {
    if (incoming.url === "/small") {
      answer.setHeader("content-type", "application/json");
      answer.end('{"ok":true}');
      return;
    }
    if (incoming.url === "/upload") {
      let bytes = 0;
      incoming.on("data", (piece: Buffer) => (bytes += piece.length));
      incoming.on("end", () => answer.end(String(bytes)));
      return;
    }
    let left = (Number(incoming.url?.split("=")[1]) * megabyte) / pieceBytes.length;
    const more = (): void => {
      while (left-- > 0) if (!answer.write(pieceBytes)) return;
      answer.end();
    };
    answer.on("drain", more);
    more();
  });
}

function ask(options: RequestOptions, uploadBytes = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(options, (answer: IncomingMessage) => {
      let bytes = 0;
      answer.on("data", (piece: Buffer) => (bytes += piece.length));
      answer.on("end", () => resolve(bytes));
      answer.on("error", reject);
    });
    call.on("error", reject);
    let left = uploadBytes;
    const more = (): void => {
      while (left > 0) {
        left -= pieceBytes.length;
        if (!call.write(pieceBytes)) return;
      }
      call.end();
    };
    call.on("drain", more);
    more();
  });
}

async function getLatencies(options: RequestOptions, atOnce: number, count: number): Promise<number[]> {
  const times: number[] = [];
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const from = performance.now();
      await ask({ ...options, path: "/small" });
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return times;
}

/** Measures the throughput of `lanes` simultaneous transfers, in MB/s. */
async function measureThroughput(transfer: () => Promise<unknown>, lanes: number, megabytes: number): Promise<number> {
  const from = performance.now();
  await Promise.all(Array.from({ length: lanes }, transfer));
  return (megabytes * megabyte) / 1e6 / ((performance.now() - from) / 1000);
}

async function measure(options: RequestOptions, megabytes: number): Promise<Figures> {
  const download = (lanes: number) =>
    measureThroughput(() => ask({ ...options, path: `/large?mb=${megabytes / lanes}` }), lanes, megabytes);
  const upload = (lanes: number) =>
    measureThroughput(
      () => ask({ ...options, path: "/upload", method: "POST" }, (megabytes / lanes) * megabyte),
      lanes,
      megabytes,
    );
  await getLatencies(options, 50, warmUp);
  await getLatencies(options, 1, warmUp);
  const one = await getLatencies(options, 1, smallRequests);
  const fifty = await getLatencies(options, 50, smallRequests);
  const figures = {
    download1: await download(1),
    download8: await download(8),
    upload1: await upload(1),
    upload8: await upload(8),
  };
  let busy = true;
  const large = download(8).then(() => (busy = false));
  const beside: number[] = [];
  while (busy) beside.push(...(await getLatencies(options, 1, 1)));
  await large;
  return { one: getSpread(one), fifty: getSpread(fifty), ...figures, beside: getSpread(beside) };
}

function muxOn(socket: Socket, side: "server" | "client", server: Server): WireAgent {
  return new WireAgent(new Mux(socket, { side, onStream: (stream) => serveHttp(stream, server) }));
}

/** Runs the daemon's process: serves on both connections, and measures on request. */
async function child(folder: string): Promise<void> {
  const server = pieceServer();
  server.listen(join(folder, "child.sock"));
  await once(server, "listening");
  const agent = muxOn(connect(join(folder, "wire.sock")), "client", server);
  const direct = new Agent({ keepAlive: true });
  process.on("message", ({ way, megabytes }: { way: Way; megabytes: number }) => {
    const options = way === "wire" ? { agent } : { agent: direct, socketPath: join(folder, "parent.sock") };
    void measure(options, megabytes).then((figures) => process.send?.(figures));
  });
  process.on("disconnect", () => process.exit());
  process.send?.("ready");
}

async function askChild(worker: ChildProcess, way: Way, megabytes: number): Promise<Figures> {
  worker.send({ way, megabytes });
  const [figures] = await once(worker, "message");
  return figures as Figures;
}

function rows(direction: string, direct: Figures, wire: Figures): Figure[] {
  const times = (["one", "fifty", "beside"] as const).map((key) => ({
    what: `wire, ${direction}, ${{ one: "1 request at a time", fifty: "50 at once", beside: "1 beside 8 downloads" }[key]}, p50 / p99`,
    wharf: formatSpread(wire[key]),
    beside: `HTTP on a socket ${formatSpread(direct[key])}`,
    ratio: wire[key].p50 / direct[key].p50,
  }));
  const rates = (["download1", "download8", "upload1", "upload8"] as const).map((key) => ({
    what: `wire, ${direction}, ${key.replace(/\d/, (lanes) => ` ×${lanes}`)}`,
    wharf: `${formatDigits(wire[key])} MB/s`,
    beside: `HTTP on a socket ${formatDigits(direct[key])} MB/s`,
    ratio: wire[key] / direct[key],
  }));
  return [...times, ...rates];
}

async function parent(megabytes: number): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "wharf-bench-"));
  const server = pieceServer();
  server.listen(join(folder, "parent.sock"));
  const listener = createSocketServer().listen(join(folder, "wire.sock"));
  await once(listener, "listening");
  const worker = fork(import.meta.filename, ["--child", folder]);
  try {
    const ready = once(worker, "message");
    const [socket] = (await once(listener, "connection")) as [Socket];
    const agent = muxOn(socket, "server", server);
    await ready;
    const direct = { agent: new Agent({ keepAlive: true }), socketPath: join(folder, "child.sock") };
    const forward = rows("server → daemon", await measure(direct, megabytes), await measure({ agent }, megabytes));
    const asked = await askChild(worker, "direct", megabytes);
    const backward = rows("daemon → server", asked, await askChild(worker, "wire", megabytes));
    agent.mux.close();
    return [...forward, ...backward];
  } finally {
    worker.disconnect();
    listener.close();
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[2] === "--child") await child(process.argv[3] ?? "");
else await presentFigures(() => parent(getSize(1024)));
