import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { acceptEncrypted, offerWire } from "@wharf/contract/wire";
import { readConfig } from "../../../packages/daemon/src/read-config.ts";
import { type Answers, serveAnswers } from "./answers.ts";
import { falseAnswers } from "./false-answers.ts";
import { abuses } from "./frames.ts";

/**
 * Replaces the real daemon in the kit. The kit's file `mode` names the behaviour, and a runner
 * keeps the mode of its first start: `good` is the real daemon, and each other mode misbehaves in
 * one way.
 */
const state = process.env["HOME"] === "/home/wharf" ? "/var/lib/wharf" : join(process.env["HOME"] ?? "/", "../state");
const memory = join(state, "mode");
/**
 * The file exists once the daemon took a prompt and exited at once; the daemon is useless from then
 * on.
 */
const prompted = join(state, "prompted");
const mode = readFileSync(existsSync(memory) ? memory : join(import.meta.dirname, "mode"), "utf8").trim();
writeFileSync(memory, mode);

if (mode === "good") await import(join(import.meta.dirname, "real-daemon.mjs"));
else await misbehave();

async function misbehave(): Promise<void> {
  const file = process.argv[process.argv.indexOf("--config") + 1];
  const given = process.argv.includes("--config") && file ? createReadStream(file) : process.stdin;
  const config = await readConfig(given);
  process.on("SIGTERM", () => process.exit(0));
  const who = { key: config.wire_key, runnerId: config.runner_id };
  const { wire } = config;
  if (wire.by === "connect") return connectRepeatedly(wire.path, who);
  const listener = createServer((socket) => {
    socket.on("error", () => undefined);
    const duplex = wire.by === "port" ? acceptEncrypted(socket, who) : Promise.resolve(socket);
    void duplex.then((one) => serveConnection(one, who)).catch(() => socket.destroy());
  });
  if (wire.by === "port") return void listener.listen(wire.port);
  mkdirSync(dirname(wire.path), { recursive: true });
  rmSync(wire.path, { force: true });
  listener.listen(wire.path);
}

async function connectRepeatedly(path: string, who: { key: string; runnerId: string }): Promise<void> {
  for (;;) {
    const socket = connect(path);
    socket.on("error", () => undefined);
    await Promise.race([once(socket, "connect"), once(socket, "close")]);
    const closed = once(socket, "close");
    await serveConnection(socket, who).catch(() => socket.destroy());
    await closed;
    await sleep(100);
  }
}

async function serveConnection(socket: Duplex, who: { key: string; runnerId: string }): Promise<void> {
  if (mode === "garbage for a handshake") return void socket.write("GET / HTTP/1.1\r\n\r\n".repeat(1000));
  if (mode === "silence for a handshake") return void socket.resume();
  if (mode === "a wrong key") return guessKey(socket);
  await offerWire(socket, { ...who, lastEpoch: 0 });
  if (existsSync(prompted)) return abuses["half a frame, then silence"]?.(socket.resume());
  const abuse = abuses[mode];
  if (abuse) return abuse(socket.resume());
  const answers: Answers | undefined =
    mode === "half frames once it has its prompt" ? { "POST /agent/prompt": exitDaemon } : falseAnswers[mode];
  if (!answers) throw new Error(`unknown mode '${mode}'`);
  serveAnswers(socket, { runnerId: who.runnerId, answers });
}

function exitDaemon(): void {
  writeFileSync(prompted, "");
  process.exit(0);
}

/** Runs the whole handshake with an invalid proof. */
async function guessKey(socket: Duplex): Promise<void> {
  socket.write(Buffer.concat([Buffer.from("wharf/1\n"), randomBytes(32)]));
  await once(socket, "data");
  socket.write(Buffer.concat([Buffer.of(1), Buffer.alloc(8), randomBytes(32)]));
}
