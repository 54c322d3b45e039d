import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { acceptWire, connectEncrypted, Mux } from "@wharf/contract/wire";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WireKeeper } from "./wire-keeper.ts";

const runnerId = "r-1";
const key = randomBytes(32).toString("hex");
let folder: string;
let path: string;
let keeper: WireKeeper;
const sockets: Socket[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharf-listening-"));
  path = join(folder, "run", "wire.sock");
  keeper = await open();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await keeper.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = () => WireKeeper.open({ by: "listen", path }, { key, runnerId, onStream: (stream) => stream.destroy() });

async function connectToListener(): Promise<Socket> {
  const socket = connect(path);
  socket.on("error", () => undefined);
  sockets.push(socket);
  await once(socket, "connect");
  return socket;
}

/** Connects a server with this epoch and completes its proof. */
async function serveWire(epoch: number, ownKey = key): Promise<Mux> {
  const socket = await connectToListener();
  await acceptWire(socket, { key: ownKey, runnerId, epoch });
  return new Mux(socket, { side: "server", onStream: (stream) => stream.destroy() });
}

const createTimeout = () => AbortSignal.timeout(5_000);

test("a server that connects gets the wire; one with a later lease replaces it, and the earlier one stays out", async () => {
  const first = await serveWire(1);
  const mux = await keeper.waitForMux(createTimeout());
  const second = await serveWire(2);
  await first.closed;
  expect(mux.ended).toBeDefined();
  expect((await keeper.waitForMux(createTimeout(), mux)).ended).toBeUndefined();
  await expect(serveWire(1)).rejects.toMatchObject({ code: "wire_superseded" });
  expect(second.ended).toBeUndefined();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("clients without a key never affect the open wire, however many connect", async () => {
  const real = await serveWire(3);
  const mux = await keeper.waitForMux(createTimeout());
  await expect(serveWire(9, randomBytes(32).toString("hex"))).rejects.toMatchObject({
    code: expect.stringMatching(/^runner_(hostile|unavailable)$/),
  });
  const crowd = await Promise.all(Array.from({ length: 200 }, connectToListener));
  for (const socket of crowd) socket.resume();
  for (const socket of crowd.slice(0, 100)) socket.write("GET / HTTP/1.1\r\n\r\n");
  await expect.poll(() => crowd.filter((socket) => !socket.closed).length, { timeout: 10_000 }).toBeLessThanOrEqual(64);
  expect(mux.ended).toBeUndefined();
  await expect(real.ping()).resolves.toBeGreaterThan(0);
  // The listener accepts the next server in the middle of the flood.
  const next = await serveWire(4);
  await expect(next.ping()).resolves.toBeGreaterThan(0);
});

test("a killed daemon's socket does not block the next; if no socket is possible, the daemon reports it", async () => {
  await keeper.close();
  writeFileSync(path, "");
  keeper = await open();
  await serveWire(1);
  const config = { by: "listen", path: join(path, "below-a-file") } as const;
  await expect(WireKeeper.open(config, { key, runnerId, onStream: () => undefined })).rejects.toThrow();
});

test("a port on the runner's own network works too, on all its addresses and only for encrypted streams", async () => {
  await keeper.close();
  const { createServer } = await import("node:net");
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  const port = typeof address === "object" && address ? address.port : 0;
  probe.close();
  keeper = await WireKeeper.open({ by: "port", port }, { key, runnerId, onStream: (stream) => stream.destroy() });
  const dial = async (host: string) => {
    const socket = connect(port, host);
    sockets.push(socket.on("error", () => undefined));
    await once(socket, "connect");
    return socket;
  };
  const hosts = hasIpv6() ? ["127.0.0.1", "::1"] : ["127.0.0.1"];
  for (const [index, host] of hosts.entries()) {
    const stream = await connectEncrypted(await dial(host), { key, runnerId });
    await acceptWire(stream, { key, runnerId, epoch: index + 1 });
    const mux = new Mux(stream, { side: "server", onStream: (opened) => opened.destroy() });
    await expect(mux.ping()).resolves.toBeGreaterThan(0);
  }
  await expect(acceptWire(await dial("127.0.0.1"), { key, runnerId, epoch: 9, timeoutMs: 300 })).rejects.toThrow();
  expect((await keeper.waitForMux(createTimeout())).ended).toBeUndefined();
});

const hasIpv6 = () =>
  Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === "::1"));
