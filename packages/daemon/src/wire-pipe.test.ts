import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";

let folder: string;
let path: string;
let program: ChildProcess | undefined;
let server: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-pipe-"));
  path = join(folder, "wire.sock");
});
afterEach(() => {
  program?.kill("SIGKILL");
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

function start() {
  const child = spawn(process.execPath, [join(import.meta.dirname, "wire-pipe.ts"), path], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  program = child;
  return { child, ended: once(child, "exit").then(([code]) => Number(code)) };
}

async function daemon(): Promise<Socket> {
  server = createServer().listen(path);
  const [socket] = await once(server, "connection");
  socket.on("error", () => undefined);
  return socket;
}

test("the pipe waits for the daemon's socket, and carries bytes unchanged in both directions", async () => {
  const { child, ended } = start();
  await sleep(150);
  const socket = await daemon();
  const sent = randomBytes(3_000_000);
  child.stdin.write(sent);
  const chunks: Buffer[] = [];
  const echoed = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (chunks.reduce((sum, one) => sum + one.length, 0) >= sent.length) resolve();
    });
  });
  socket.pipe(socket);
  await echoed;
  expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  socket.destroy();
  expect(await ended).toBe(0);
});

test("the daemon's last bytes still arrive, and then the pipe ends", async () => {
  const { child, ended } = start();
  const socket = await daemon();
  socket.end("the last words");
  const [words] = await once(child.stdout, "data");
  expect(String(words)).toBe("the last words");
  expect(await ended).toBe(0);
});

test("the pipe ends when the server's side does, also while the daemon's side accepts no data", async () => {
  const { child, ended } = start();
  const socket = await daemon();
  socket.pause();
  child.stdin.write(Buffer.alloc(5_000_000));
  await sleep(50);
  const socketClosed = once(socket, "close");
  socket.resume();
  child.stdin.end();
  expect(await ended).toBe(0);
  await socketClosed;
});

test("the pipe ends by itself when the server is silent for 15 s", { timeout: 30_000 }, async () => {
  const { child, ended } = start();
  const socket = await daemon();
  const began = performance.now();
  child.stdin.write("a sign of life");
  const talking = setInterval(() => socket.write("the daemon talks on"), 500);
  expect(await ended).toBe(1);
  clearInterval(talking);
  const lasted = performance.now() - began;
  expect(lasted).toBeGreaterThan(14_000);
  expect(lasted).toBeLessThan(20_000);
});
