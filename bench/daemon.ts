import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { daemonApi } from "@wharf/contract";
import { acceptWire, createWireClient, Mux } from "@wharf/contract/wire";
import { buildKit } from "../scripts/build.ts";

/**
 * How long the daemon takes from its start to a finished handshake and to its first answer, and what memory it then
 * has. `node bench/daemon.ts [rounds]`; the first round has no compile cache yet and is given apart.
 */
const rounds = Number(process.argv[2] ?? 15);
const daemon = join(import.meta.dirname, "../packages/runner/dist/kit/lib/wharf-daemon.mjs");

interface Figures {
  readonly handshake_ms: number;
  readonly answer_ms: number;
  readonly rss_mb: number;
}

async function round(folder: string): Promise<Figures> {
  const config = {
    runner_id: "bench",
    wire_key: randomBytes(32).toString("hex"),
    socket_path: join(folder, "wire.sock"),
    workspace: join(folder, "workspace"),
    home: join(folder, "home"),
    state: join(folder, "state"),
    relay_port: 0,
    isolation: "unsafe",
  };
  const server = createServer().listen(config.socket_path);
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
  const health = await createWireClient(mux, { runnerId: "bench" }).call(daemonApi.health, {});
  const answer_ms = performance.now() - began;
  child.kill("SIGTERM");
  await exited;
  mux.close();
  server.close();
  return { handshake_ms, answer_ms, rss_mb: health.rss_bytes / 1024 / 1024 };
}

const median = (values: number[]): string =>
  (values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0).toFixed(0);

await buildKit();
const folder = await mkdtemp(join(tmpdir(), "wharf-bench-daemon-"));
try {
  const first = await round(folder);
  const warm: Figures[] = [];
  for (let i = 0; i < rounds; i++) warm.push(await round(folder));
  const line = (name: string, all: Figures[]): string =>
    `${name.padEnd(22)} handshake ${median(all.map((f) => f.handshake_ms))} ms, first answer ${median(all.map((f) => f.answer_ms))} ms, ${median(all.map((f) => f.rss_mb))} MB\n`;
  process.stdout.write(line("daemon, first start", [first]) + line(`daemon, median of ${rounds}`, warm));
} finally {
  await rm(folder, { recursive: true, force: true });
}
