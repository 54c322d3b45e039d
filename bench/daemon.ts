/**
 * Measures how long the daemon takes from its start to a finished handshake and to its first
 * answer, and its memory then, beside Node alone. The first start has no compile cache yet and is
 * listed separately. `node bench/daemon.ts [rounds]`
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { daemonApi } from "@wharf/contract";
import { acceptWire, createWireClient, Mux } from "@wharf/contract/wire";
import { buildKit } from "../scripts/build.ts";
import { type Figure, getMedian, formatMegabytes, formatMs } from "./support/figures.ts";
import { readSharedBytes, measureProcess } from "./support/processes.ts";
import { presentFigures, getSize } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";

const daemon = join(import.meta.dirname, "../packages/daemon/dist/kit/lib/wharf-daemon.mjs");

interface Figures {
  readonly handshake_ms: number;
  readonly answer_ms: number;
  readonly rss: number; // bytes
  readonly own: number; // bytes
}

async function start(folder: string): Promise<Figures> {
  const config = {
    runner_id: "bench",
    wire_key: randomBytes(32).toString("hex"),
    wire: { by: "connect", path: join(folder, "wire.sock") },
    workspace: join(folder, "workspace"),
    home: join(folder, "home"),
    state: join(folder, "state"),
    relay_port: 0,
    isolation: "unsafe",
  };
  const server = createServer().listen(config.wire.path);
  await once(server, "listening");
  const began = performance.now();
  const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, "compile-cache") };
  const child = spawn(process.execPath, ["--max-semi-space-size=2", daemon], {
    stdio: ["pipe", "ignore", "inherit"],
    env,
  });
  const exited = once(child, "exit");
  child.stdin.end(JSON.stringify(config));
  const [socket] = (await once(server, "connection")) as [Socket];
  await acceptWire(socket, { key: config.wire_key, runnerId: config.runner_id, epoch: 1 });
  const handshake_ms = performance.now() - began;
  const mux = new Mux(socket, { side: "server", onStream: (stream) => stream.destroy() });
  const health = await createWireClient(mux, { runnerId: config.runner_id }).call(daemonApi.health, {});
  const answer_ms = performance.now() - began;
  const own = readSharedBytes([child.pid ?? 0]);
  child.kill("SIGTERM");
  await exited;
  mux.close();
  server.close();
  return { handshake_ms, answer_ms, rss: health.rss_bytes, own };
}

async function measure(): Promise<Figure[]> {
  const rounds = getSize(15);
  await buildKit();
  await using folder = await createScratchFolder();
  const first = await start(folder.path);
  const all: Figures[] = [];
  const node: number[] = [];
  for (let round = 0; round < rounds; round++) {
    node.push(await measureProcess(process.execPath, ["-e", "0"]));
    all.push(await start(folder.path));
  }
  const alone = getMedian(node);
  const row = (what: string, took: number): Figure => ({
    what,
    wharf: formatMs(took),
    beside: `Node alone ${formatMs(alone)}`,
    ratio: took / alone,
    hold: "300 ms",
  });
  return [
    row("daemon start → handshake done, p50", getMedian(all.map(({ handshake_ms }) => handshake_ms))),
    row("daemon start → first answer, p50", getMedian(all.map(({ answer_ms }) => answer_ms))),
    row("daemon start → first answer, the very first", first.answer_ms),
    {
      what: "daemon, RSS when ready, p50",
      wharf: formatMegabytes(getMedian(all.map(({ rss }) => rss))),
      hold: "80 MB",
    },
    {
      what: "of it not shared with other Node processes, p50",
      wharf: formatMegabytes(getMedian(all.map(({ own }) => own))),
    },
  ];
}

await presentFigures(measure);
