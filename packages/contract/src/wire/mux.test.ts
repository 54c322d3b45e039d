import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { duplexPair, PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { WireClosedError } from "./errors.ts";
import { encodeFrame, FrameType } from "./frames.ts";
import { Mux } from "./mux.ts";
import { echo, errorOf, muxPair, pause, rawPeer, readAll, settle, until } from "./testing.ts";
import type { WireStream } from "./wire-stream.ts";

const megabyte = 1024 * 1024;

describe("a mux", () => {
  test("carries streams opened by either side, at once", async () => {
    using pair = muxPair({ onStream: echo }, { onStream: echo });
    const streams = [pair.client, pair.server].flatMap((mux) => Array.from({ length: 20 }, () => mux.open()));
    const sent = streams.map(() => randomBytes(700_000));
    const got = streams.map((stream, i) => (stream.end(sent[i]), readAll(stream)));
    const digests = (await Promise.all(got)).map((bytes) => createHash("sha256").update(bytes).digest("hex"));
    expect(digests).toEqual(sent.map((bytes) => createHash("sha256").update(bytes).digest("hex")));
    await until(() => pair.client.streamCount === 0 && pair.server.streamCount === 0, "all streams are forgotten");
  });

  test("works with any pieces that the transport delivers", async () => {
    const ends = duplexPair();
    const chopped = new PassThrough();
    const sizes = [1, 2, 3, 11, 12, 13, 5000];
    let turn = 0;
    ends[1].on("data", (chunk: Buffer) => {
      for (let at = 0; at < chunk.length;) {
        const size = sizes[turn++ % sizes.length] ?? 1;
        chopped.push(Buffer.from(chunk.subarray(at, at + size)));
        at += size;
      }
    });
    chopped._write = (chunk, _encoding, done) => void ends[1].write(chunk, done);
    const client = new Mux(ends[0], { side: "client", onStream: echo });
    const server = new Mux(chopped, { side: "server", onStream: echo });
    const sent = randomBytes(600_000);
    const stream = client.open();
    stream.end(sent);
    expect((await readAll(stream)).equals(sent)).toBe(true);
    client.close();
    server.close();
  });

  test("keeps a stream's other direction open after one has ended", async () => {
    using pair = muxPair(
      {},
      { onStream: (stream) => void readAll(stream).then((asked) => stream.end(`answer to ${asked.toString()}`)) },
    );
    const stream = pair.client.open();
    stream.end("a question");
    expect((await readAll(stream)).toString()).toBe("answer to a question");
  });

  test("opens a stream that sends nothing", async () => {
    const { promise, resolve } = Promise.withResolvers<WireStream>();
    using pair = muxPair({}, { onStream: resolve });
    pair.client.open();
    expect((await promise).id).toBe(1);
  });

  test("resets the reader of a stream that was destroyed midway, and never ends it", async () => {
    using pair = muxPair({}, { onStream: (stream) => stream.write("half an answ", () => stream.destroy()) });
    const stream = pair.client.open();
    let ended = false;
    stream.on("end", () => (ended = true)).resume();
    expect(await errorOf(stream)).toMatchObject({ code: "ECONNRESET" });
    expect(ended).toBe(false);
  });

  test("keeps data that precedes the end readable even if a reset follows", async () => {
    using pair = muxPair(
      {},
      { onStream: (stream) => (stream.end("the whole answer"), stream.once("finish", () => stream.destroy())) },
    );
    const stream = pair.client.open();
    stream.write("an unread body");
    await pause(20);
    expect((await readAll(stream)).toString()).toBe("the whole answer");
  });

  test("notifies a writer that its reader has left", async () => {
    using pair = muxPair({}, { onStream: (stream) => stream.once("data", () => stream.destroy()) });
    const stream = pair.client.open();
    await expect(
      pipeline(async function* () {
        for (;;) yield Buffer.alloc(10_000);
      }, stream),
    ).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test("accepts no more than the window from a stream's writer until the stream is read", async () => {
    const { promise, resolve } = Promise.withResolvers<WireStream>();
    using pair = muxPair({}, { onStream: resolve });
    const writer = pair.client.open();
    let taken = 0;
    const write = (): void => void writer.write(Buffer.alloc(16_384), (error) => error || ((taken += 16_384), write()));
    write();
    const reader = await promise;
    await until(() => taken >= 256 * 1024, "the window is full");
    await settle();
    expect(taken).toBe(256 * 1024);
    expect(pair.server.bufferedBytes).toBe(256 * 1024);
    reader.resume();
    await until(() => taken > 2 * megabyte, "the writer continues");
    writer.destroy();
  });

  test("does not let unread streams hold up another", async () => {
    const stalled: WireStream[] = [];
    using pair = muxPair(
      {},
      {
        onStream: (stream) =>
          stream.once("data", (first: Buffer) =>
            first.toString() === "stall" ? stalled.push(stream.pause()) : (stream.write(first), echo(stream)),
          ),
      },
    );
    for (let i = 0; i < 300; i++) {
      const stream = pair.client.open();
      stream.write("stall");
      setImmediate(() => stream.write(Buffer.alloc(megabyte)));
    }
    await until(() => stalled.length === 300 && pair.server.bufferedBytes > 50 * megabyte, "300 streams are stalled");
    const buffered = pair.server.bufferedBytes;
    const live = pair.client.open();
    live.end(Buffer.alloc(4 * megabyte));
    expect((await readAll(live)).length).toBe(4 * megabyte);
    expect(pair.server.bufferedBytes).toBeGreaterThanOrEqual(buffered);
  });

  test("interleaves a small message with large ones", async () => {
    using pair = muxPair({}, { onStream: echo });
    const large = Array.from({ length: 8 }, () => pair.client.open());
    let received = 0;
    for (const stream of large) {
      stream.on("data", (piece: Buffer) => (received += piece.length));
      stream.end(Buffer.alloc(8 * megabyte));
    }
    await until(() => received > megabyte, "large streams are under way");
    const before = received;
    const small = pair.client.open();
    small.end("small");
    expect((await readAll(small)).toString()).toBe("small");
    // The round trip takes a few rounds of the large streams, not all their 64 MiB.
    expect(received - before).toBeLessThan(16 * megabyte);
  });

  test("shares the wire evenly among writers", async () => {
    const counts = new Map<number, number>();
    using pair = muxPair(
      {},
      {
        onStream: (stream) =>
          stream.on("data", (piece: Buffer) => counts.set(stream.id, (counts.get(stream.id) ?? 0) + piece.length)),
      },
    );
    const writers = Array.from({ length: 10 }, () => pair.client.open());
    for (const writer of writers) writer.end(Buffer.alloc(4 * megabyte));
    await until(() => [...counts.values()].reduce((a, b) => a + b, 0) > 20 * megabyte, "half has come");
    expect(counts.size).toBe(10);
    const each = [...counts.values()];
    expect(Math.max(...each) - Math.min(...each)).toBeLessThan(megabyte);
  });

  test("lets each writer send one bounded piece, then the next", async () => {
    using peer = rawPeer();
    for (let i = 0; i < 4; i++) peer.mux.open().write(Buffer.alloc(128 * 1024));
    const pieces = () => peer.heard.filter(({ type, length }) => type === FrameType.data && length > 0);
    await until(() => pieces().length === 8, "all has come");
    expect(pieces().map(({ id, length }) => [id, length])).toEqual([2, 4, 6, 8, 2, 4, 6, 8].map((id) => [id, 65_536]));
  });

  test("destroys every stream at once with an error when the wire dies", async () => {
    using pair = muxPair({}, { onStream: () => undefined });
    const streams = Array.from({ length: 1000 }, () => pair.client.open());
    for (const stream of streams) stream.write("waiting");
    await settle();
    const failures = streams.map(errorOf);
    pair.ends[0].destroy(new Error("the cable was cut"));
    await pair.client.closed;
    expect(streams.every(({ destroyed }) => destroyed)).toBe(true);
    const errors = await Promise.all(failures);
    expect(
      errors.every((error) => error instanceof WireClosedError && error.message.includes("the cable was cut")),
    ).toBe(true);
    expect((await pair.client.closed).reason).toBe("the cable was cut");
    expect(() => pair.client.open()).toThrow(WireClosedError);
    expect(pair.client.streamCount).toBe(0);
  });

  test("sends a goaway when closed", async () => {
    const pair = muxPair({}, { onStream: () => undefined });
    const stream = pair.client.open();
    const lost = errorOf(stream);
    pair.client.close("the server stops");
    expect(await pair.client.closed).toEqual({ reason: "the server stops", error: undefined });
    expect(await pair.server.closed).toEqual({ reason: "the peer closed the wire", error: undefined });
    expect(await lost).toMatchObject({ code: "ECONNRESET" });
    await until(() => pair.ends[0].destroyed, "the transport is gone");
  });

  test("opens no stream on a wire whose peer has sent a goaway", async () => {
    using peer = rawPeer();
    await peer.send({ type: FrameType.goaway });
    expect(() => peer.mux.open()).toThrow(WireClosedError);
    expect(peer.mux.ended).toBeUndefined();
  });

  test("measures the round-trip time", async () => {
    using pair = muxPair();
    expect(await pair.client.ping()).toBeGreaterThanOrEqual(0);
    const lost = pair.client.ping();
    pair.client.close();
    await expect(lost).rejects.toThrow(WireClosedError);
  });

  test("keeps an idle wire alive, and drops one whose peer goes silent", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const keepalive = { pingMs: 20, silenceMs: 100 };
    using pair = muxPair({ keepalive }, { keepalive });
    for (let i = 0; i < 30; i++) {
      await vi.advanceTimersByTimeAsync(10);
      await settle();
    }
    expect(pair.client.ended).toBeUndefined();
    using mute = rawPeer({ keepalive });
    const stream = mute.mux.open();
    const lost = errorOf(stream);
    await vi.advanceTimersByTimeAsync(100);
    expect(mute.mux.ended).toBeUndefined();
    await vi.advanceTimersByTimeAsync(20);
    expect((await mute.mux.closed).reason).toBe("the peer fell silent");
    expect(await lost).toMatchObject({ code: "ECONNRESET" });
    await settle();
    expect(mute.heard.some(({ type }) => type === FrameType.ping)).toBe(true);
  });

  test("by default keeps a peer that is held up for seconds, and drops one that is gone after 15 s", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      using mute = rawPeer();
      await vi.advanceTimersByTimeAsync(14_000);
      expect(mute.mux.ended).toBeUndefined();
      await vi.advanceTimersByTimeAsync(3_000);
      expect((await mute.mux.closed).reason).toBe("the peer fell silent");
    } finally {
      vi.useRealTimers();
    }
  });

  test("does not mistake its own pause for the peer's silence", async () => {
    const keepalive = { pingMs: 20, silenceMs: 100 };
    using pair = muxPair({ keepalive }, { keepalive });
    await pause(30);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    await pause(60);
    expect(pair.client.ended).toBeUndefined();
  });

  test("ends if the transport was closed before it began", async () => {
    const [end] = duplexPair();
    end.destroy();
    await once(end, "close");
    const mux = new Mux(end, { side: "server", onStream: () => undefined });
    expect((await mux.closed).reason).toBe("the wire was cut");
  });

  test("times out a stream as a socket does", async () => {
    using pair = muxPair({}, { onStream: () => undefined });
    const stream = pair.client.open();
    let timeouts = 0;
    stream.setTimeout(20, () => timeouts++);
    await once(stream, "timeout");
    expect(stream.destroyed).toBe(false);
    stream.setTimeout(20);
    stream.on("timeout", () => timeouts++);
    stream.setTimeout(0);
    await pause(60);
    expect(timeouts).toBe(1);
  });

  test("answers pings and sends a yamux peer what it expects", async () => {
    using peer = rawPeer({ onStream: (stream) => stream.end("hi") });
    await peer.send({ type: FrameType.ping, flags: 1, length: 4711 });
    await peer.sendBytes(encodeFrame({ type: FrameType.window, flags: 1, id: 1, length: 0 }));
    await until(() => peer.heard.length >= 3, "it answers");
    expect(peer.heard).toEqual([
      { type: FrameType.ping, flags: 2, id: 0, length: 4711 },
      { type: FrameType.data, flags: 2, id: 1, length: 2 },
      { type: FrameType.window, flags: 4, id: 1, length: 0 },
    ]);
  });
});
