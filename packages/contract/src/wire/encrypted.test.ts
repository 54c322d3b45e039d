import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acceptEncrypted, connectEncrypted } from "./encrypted.ts";
import { acceptWire, offerWire } from "./handshake.ts";
import { Mux } from "./mux.ts";

const runnerId = "r-1";
const key = randomBytes(32).toString("hex");
const secret = "a prompt, a token, a line of code";

/** The network between both ends, and all bytes that it carried. */
let network: Server;
let listener: Server;
let carried: Buffer[];
const sockets: Socket[] = [];

const keep = (socket: Socket): Socket => {
  sockets.push(socket.on("error", () => undefined));
  return socket;
};
const dial = (to: Server) => keep(connect((to.address() as AddressInfo).port, "127.0.0.1"));

beforeEach(async () => {
  carried = [];
  listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  network = createServer((near) => {
    const far = dial(listener);
    keep(near).pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on("data", (bytes: Buffer) => carried.push(bytes));
  }).listen(0, "127.0.0.1");
  await once(network, "listening");
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of [listener, network]) server.close();
});

/** Opens a connection and returns the server's end and the daemon's end. */
async function pair(): Promise<{ near: Socket; far: Socket }> {
  const arrived = once(listener, "connection");
  const near = dial(network);
  const [far] = (await arrived) as [Socket];
  return { near, far: keep(far) };
}

test("a wire's bytes cannot be read in transit, and both ends prove their identity inside the encryption", async () => {
  const { near, far } = await pair();
  const daemon = acceptEncrypted(far, { key, runnerId }).then(async (stream) => {
    await offerWire(stream, { key, runnerId, lastEpoch: 0 });
    const onStream = async (opened: NodeJS.ReadWriteStream) => void opened.end(await text(opened));
    return new Mux(stream, { side: "client", onStream: (opened) => void onStream(opened) });
  });
  const stream = await connectEncrypted(near, { key, runnerId });
  await acceptWire(stream, { key, runnerId, epoch: 1 });
  const mux = new Mux(stream, { side: "server", onStream: (opened) => opened.destroy() });
  const opened = mux.open();
  opened.end(secret);
  expect(await text(opened)).toBe(secret);
  const bytes = Buffer.concat(carried);
  expect(bytes.length).toBeGreaterThan(secret.length);
  expect(bytes.includes(secret)).toBe(false);
  expect(bytes.includes("wharf/1")).toBe(false);
  mux.destroy(new Error("done"));
  (await daemon).destroy(new Error("done"));
});

test.each([
  ["another key", { key: randomBytes(32).toString("hex"), runnerId }],
  ["another runner's name", { key, runnerId: "r-2" }],
])("a peer with %s is refused at both ends", async (_, peer) => {
  const { near, far } = await pair();
  const [mine, theirs] = await Promise.allSettled([
    connectEncrypted(near, peer),
    acceptEncrypted(far, { key, runnerId }),
  ]);
  expect(mine).toMatchObject({ status: "rejected", reason: { code: "runner_hostile" } });
  expect(theirs.status).toBe("rejected");
  expect([near.destroyed, far.destroyed]).toEqual([true, true]);
});

test("a peer without encryption is hostile, and a silent one is waited for only until the timeout", async () => {
  const plain = await pair();
  plain.far.write("wharf/1\n".repeat(100));
  await expect(connectEncrypted(plain.near, { key, runnerId })).rejects.toMatchObject({ code: "runner_hostile" });
  const silent = await pair();
  const waiting = connectEncrypted(silent.near, { key, runnerId, timeoutMs: 50 });
  await expect(waiting).rejects.toMatchObject({ code: "runner_timeout" });
  expect(silent.near.destroyed).toBe(true);
});

test("a wire ends when the peer leaves or the caller aborts", async () => {
  const left = await pair();
  left.far.destroy();
  await expect(connectEncrypted(left.near, { key, runnerId })).rejects.toMatchObject({ code: "runner_unavailable" });
  const { near, far } = await pair();
  const reason = new Error("no longer wanted");
  await expect(connectEncrypted(near, { key, runnerId, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await expect(acceptEncrypted(far, { key, runnerId, timeoutMs: 50 })).rejects.toThrow();
});
