import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { describe, expect, test } from "vitest";
import { acceptWire, offerWire } from "./handshake.ts";
import { Mux } from "./mux.ts";
import { echo, pause, readAll } from "./testing.ts";

const key = "0123456789abcdef".repeat(4);
const otherKey = "fedcba9876543210".repeat(4);
const runnerId = "7d0f2c1e-0000-4000-8000-000000000001";

async function shake(
  server: Partial<Parameters<typeof acceptWire>[1]>,
  daemon: Partial<Parameters<typeof offerWire>[1]>,
) {
  const [near, far] = duplexPair();
  const results = await Promise.allSettled([
    acceptWire(near, { key, runnerId, epoch: 7, ...server }),
    offerWire(far, { key, runnerId, lastEpoch: 7, ...daemon }),
  ]);
  return { near, far, accepted: results[0], offered: results[1] };
}

describe("the handshake", () => {
  test.each([0, 6, 7])("gives epoch 7 to a daemon that has seen epoch %i", async (lastEpoch) => {
    const { accepted, offered } = await shake({}, { lastEpoch });
    expect(accepted.status).toBe("fulfilled");
    expect(offered).toEqual({ status: "fulfilled", value: { epoch: 7 } });
  });

  test("refuses a server whose epoch is lower than one seen, and reports it to the server", async () => {
    const { near, far, accepted, offered } = await shake({ epoch: 6 }, { lastEpoch: 7 });
    for (const side of [accepted, offered]) {
      expect(side).toMatchObject({
        status: "rejected",
        reason: { code: "wire_superseded", context: { highest_epoch: 7, offered_epoch: 6 } },
      });
    }
    expect(near.destroyed && far.destroyed).toBe(true);
  });

  test("fails on both sides when the keys differ", async () => {
    const { near, far, accepted, offered } = await shake({}, { key: otherKey });
    expect(offered).toMatchObject({ status: "rejected", reason: { code: "runner_hostile" } });
    expect(accepted).toMatchObject({ status: "rejected", reason: { code: "runner_unavailable" } });
    expect(near.destroyed && far.destroyed).toBe(true);
  });

  test("fails when a different runner holds the key", async () => {
    const { accepted, offered } = await shake({}, { runnerId: "another" });
    expect([accepted.status, offered.status]).toEqual(["rejected", "rejected"]);
  });

  test("cannot be passed by sending back the server's proof", async () => {
    const [near, far] = duplexPair();
    const accepted = acceptWire(near, { key, runnerId, epoch: 1 });
    far.write(Buffer.concat([Buffer.from("wharf/1\n"), Buffer.alloc(32)]));
    const [challenge] = (await once(far, "data")) as [Buffer];
    expect(challenge.length).toBe(80);
    far.write(Buffer.concat([Buffer.of(1), Buffer.alloc(8), challenge.subarray(48)]));
    await expect(accepted).rejects.toMatchObject({ code: "runner_hostile" });
  });

  test("cannot be passed by repeating an earlier daemon's answer", async () => {
    const [near, far] = duplexPair();
    const heard: Buffer[] = [];
    const [tapNear, tapFar] = duplexPair();
    tapNear.on("data", (chunk: Buffer) => (heard.push(chunk), far.write(chunk)));
    far.on("data", (chunk: Buffer) => tapNear.write(chunk));
    await Promise.all([
      acceptWire(near, { key, runnerId, epoch: 1 }),
      offerWire(tapFar, { key, runnerId, lastEpoch: 0 }),
    ]);
    const [again, replayer] = duplexPair();
    const accepted = acceptWire(again, { key, runnerId, epoch: 1 });
    replayer.resume().write(Buffer.concat(heard));
    await expect(accepted).rejects.toMatchObject({ code: "runner_hostile" });
  });

  test("ends at the first bytes of a peer that speaks another protocol", async () => {
    for (const side of ["server", "daemon"]) {
      const [near, far] = duplexPair();
      const done =
        side === "server"
          ? acceptWire(near, { key, runnerId, epoch: 1 })
          : offerWire(near, { key, runnerId, lastEpoch: 0 });
      far.resume().write("GET / HTTP/1.1\r\n");
      await expect(done).rejects.toMatchObject({ code: "runner_hostile" });
      expect(near.destroyed).toBe(true);
    }
  });

  test("waits for a silent peer until the timeout and no longer", async () => {
    const { accepted } = { accepted: acceptWire(duplexPair()[0], { key, runnerId, epoch: 1, timeoutMs: 50 }) };
    await expect(accepted).rejects.toMatchObject({ code: "runner_timeout", context: { phase: "handshake" } });
    const [near, far] = duplexPair();
    const offered = offerWire(near, { key, runnerId, lastEpoch: 1, timeoutMs: 50 });
    far.resume().write("wharf/1\n");
    await expect(offered).rejects.toMatchObject({ code: "runner_timeout" });
    expect(near.destroyed).toBe(true);
  });

  test("ends when the peer hangs up, or the caller aborts", async () => {
    const [near, far] = duplexPair();
    const accepted = acceptWire(near, { key, runnerId, epoch: 1 });
    far.end("wharf");
    await expect(accepted).rejects.toMatchObject({ code: "runner_unavailable" });
    const abort = new AbortController();
    const offered = offerWire(duplexPair()[0], { key, runnerId, lastEpoch: 1, signal: abort.signal });
    abort.abort(new Error("shutting down"));
    await expect(offered).rejects.toThrow("shutting down");
    await expect(offerWire(duplexPair()[0], { key, runnerId, lastEpoch: 1, signal: abort.signal })).rejects.toThrow(
      "shutting down",
    );
  });

  test("refuses an invalid key", async () => {
    for (const bad of ["", "not hex at all, but long enough to be", "00ff"]) {
      await expect(acceptWire(duplexPair()[0], { key: bad, runnerId, epoch: 1 })).rejects.toMatchObject({
        code: "config_invalid",
      });
    }
  });

  test("leaves the bytes after it to the mux, on a real socket, however late the mux starts", async () => {
    const folder = mkdtempSync(join(tmpdir(), "wharf-wire-"));
    const listener = createServer().listen(join(folder, "s"));
    try {
      await once(listener, "listening");
      const daemonEnd = connect(join(folder, "s"));
      const [serverEnd] = await once(listener, "connection");
      const accepted = acceptWire(serverEnd, { key, runnerId, epoch: 3 });
      await offerWire(daemonEnd, { key, runnerId, lastEpoch: 3 });
      const daemon = new Mux(daemonEnd, { side: "client", onStream: echo });
      const stream = daemon.open();
      stream.end("sent before the server's mux was there");
      await accepted;
      await pause(30);
      const server = new Mux(serverEnd, { side: "server", onStream: echo });
      expect((await readAll(stream)).toString()).toBe("sent before the server's mux was there");
      server.close();
      await daemon.closed;
    } finally {
      listener.close();
      rmSync(folder, { recursive: true });
    }
  });
});
