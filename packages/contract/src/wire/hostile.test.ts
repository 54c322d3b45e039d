import { randomBytes } from "node:crypto";
import { duplexPair } from "node:stream";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { WireProtocolError } from "./errors.ts";
import { encodeFrame, Flag, FrameType, initialWindowBytes } from "./frames.ts";
import type { FrameHeader } from "./frames.ts";
import { Mux } from "./mux.ts";
import { echo, muxPair, pause, rawPeer, readAll, until } from "./testing.ts";
import type { RawPeer } from "./testing.ts";
import type { WireStream } from "./wire-stream.ts";

const megabyte = 1024 * 1024;
const { data, window, ping, goaway } = FrameType;
const { syn, fin, rst } = Flag;

async function expectDropped(peer: RawPeer, reason: RegExp): Promise<void> {
  const { error } = await peer.mux.closed;
  expect(error).toBeInstanceOf(WireProtocolError);
  expect(error).toHaveProperty("reason", expect.stringMatching(reason));
  expect(peer.mux.streamCount).toBe(0);
  expect(peer.mux.bufferedBytes).toBe(0);
  expect(peer.transport.destroyed || peer.transport.readableEnded || peer.mux.ended).toBeTruthy();
}

type Sent = Partial<FrameHeader> & { payload?: Buffer };

describe("a peer that breaks the protocol is dropped with a reason:", () => {
  const opened = { type: window, flags: syn, id: 1 };
  const violations: [string, Sent[], RegExp][] = [
    [
      "a frame longer than the limit",
      [opened, { type: data, id: 1, length: 16 * megabyte }],
      /a frame of 16777216 bytes/,
    ],
    [
      "more than the window",
      [
        opened,
        { type: data, id: 1, payload: Buffer.alloc(initialWindowBytes) },
        { type: data, id: 1, payload: Buffer.alloc(1) },
      ],
      /whose window is 0/,
    ],
    ["a stream that was never opened", [{ type: data, id: 7, payload: Buffer.alloc(1) }], /which was never opened/],
    ["a stream of ours that we did not open", [{ type: window, id: 2, length: 1 }], /which was never opened/],
    ["an id of our side", [{ type: window, flags: syn, id: 2 }], /an id of ours/],
    ["an id used again", [opened, { type: window, flags: rst, id: 1 }, opened], /opened stream 1 after 1/],
    [
      "an id that goes back",
      [
        { type: window, flags: syn, id: 9 },
        { type: window, flags: syn, id: 3 },
      ],
      /opened stream 3 after 9/,
    ],
    ["stream 0", [{ type: data, id: 0, payload: Buffer.alloc(1) }], /stream 0/],
    [
      "data after the end",
      [
        { type: data, flags: syn | fin, id: 1, payload: Buffer.alloc(1) },
        { type: data, id: 1, payload: Buffer.alloc(1) },
      ],
      /after its end/,
    ],
    [
      "a second end",
      [
        { type: window, flags: syn | fin, id: 1 },
        { type: window, flags: fin, id: 1 },
      ],
      /second end/,
    ],
    ["an excessive window", [opened, { type: window, id: 1, length: 0xffff_ffff }], /a window of/],
    [
      "data on a closed stream",
      [opened, { type: window, flags: rst, id: 1 }, { type: data, id: 1, payload: Buffer.alloc(1) }],
      /a stream that is gone/,
    ],
    ["a ping on a stream", [{ type: ping, flags: syn, id: 1 }], /a ping on stream 1/],
    ["a goaway on a stream", [{ type: goaway, id: 1 }], /a goaway on stream 1/],
  ];
  test.each(violations)("%s", async (_, frames, reason) => {
    using peer = rawPeer();
    for (const { payload, ...header } of frames) await peer.send(header, payload);
    await expectDropped(peer, reason);
    await until(() => peer.heard.at(-1)?.type === goaway, "the peer gets a goaway");
    expect(peer.heard.at(-1)?.length).toBe(1);
  });

  test("100,000 streams, opened at once", async () => {
    let given = 0;
    using peer = rawPeer({ onStream: () => void given++ });
    await flood(peer, 100_000, (i) => [{ type: window, flags: syn, id: 2 * i + 1, length: 0 }]);
    await expectDropped(peer, /too many streams opened/);
    expect(given).toBe(1024);
  });

  test("100,000 streams, opened and reset", async () => {
    using peer = rawPeer({ onStream: echo });
    await flood(peer, 100_000, (i) => [
      { type: data, flags: syn, id: 2 * i + 1, length: 0 },
      { type: window, flags: rst, id: 2 * i + 1, length: 0 },
    ]);
    await expectDropped(peer, /too many streams opened/);
  });

  test("a flood of pings", async () => {
    using peer = rawPeer();
    await flood(peer, 10_000, (length) => [{ type: ping, flags: syn, id: 0, length }]);
    await expectDropped(peer, /too many pings/);
  });

  test.each([
    ["empty frames", { type: data, flags: 0, id: 1, length: 0 }],
    ["answers to pings that were not sent", { type: ping, flags: Flag.ack, id: 0, length: 9 }],
    ["goaways", { type: goaway, flags: 0, id: 0, length: 0 }],
  ])("a flood of %s", async (_, header) => {
    using peer = rawPeer();
    await peer.send({ type: window, flags: syn, id: 1 });
    await flood(peer, 400_000, () => [header]);
    await expectDropped(peer, /too many frames that carry nothing/);
  });
});

/** Writes many frames in pieces of a hundred kilobytes, until the mux is gone. */
async function flood(peer: RawPeer, count: number, frames: (i: number) => FrameHeader[]): Promise<void> {
  let batch: Buffer[] = [];
  for (let i = 0; i < count && !peer.mux.ended; i++) {
    for (const header of frames(i)) batch.push(encodeFrame(header));
    if (batch.length < 8000 && i < count - 1) continue;
    await peer.sendBytes(Buffer.concat(batch));
    batch = [];
  }
}

describe("a hostile peer", () => {
  test("that opens too many streams has the excess ones refused", async () => {
    using peer = rawPeer({ limits: { maxStreams: 10 } });
    for (let id = 1; id < 30; id += 2) await peer.send({ type: data, flags: syn, id }, Buffer.from("x"));
    await until(() => peer.heard.filter(({ flags }) => flags & rst).length === 5, "five are refused");
    expect(peer.heard.filter(({ flags }) => flags & rst).map(({ id }) => id)).toEqual([21, 23, 25, 27, 29]);
    expect(peer.mux.ended).toBeUndefined();
    expect(peer.mux.streamCount).toBe(10);
  });

  test("that goes silent inside a frame is dropped", async () => {
    using peer = rawPeer({ keepalive: { pingMs: 20, silenceMs: 60 } });
    await peer.sendBytes(encodeFrame({ type: data, flags: syn, id: 1, length: 1000 }, Buffer.from("half")));
    expect((await peer.mux.closed).reason).toBe("the peer fell silent inside a frame");
  });

  test("that hangs up inside a frame is distinguished from one that hangs up between two", async () => {
    using peer = rawPeer();
    await peer.sendBytes(Buffer.alloc(5));
    peer.transport.end();
    expect((await peer.mux.closed).reason).toBe("the wire was cut inside a frame");
  });

  test("that fills every window makes us hold no more than the limit", async () => {
    using peer = rawPeer({ limits: { maxBufferedBytes: 8 * megabyte } });
    const payload = Buffer.alloc(initialWindowBytes);
    for (let i = 0; i < 200; i++) {
      await peer.send({ type: data, flags: syn, id: 2 * i + 1 }, payload);
      expect(peer.mux.bufferedBytes).toBeLessThanOrEqual(8 * megabyte);
    }
    expect(peer.mux.ended).toBeUndefined();
    expect(peer.heard.filter(({ flags }) => flags & rst).length).toBeGreaterThanOrEqual(168);
  });

  test("that sends its bytes one by one makes us hold hardly more than the bytes", async () => {
    using peer = rawPeer();
    const streams = 50;
    const perStream = 40_000;
    const before = process.memoryUsage();
    for (let i = 0; i < streams; i++) {
      const frame = encodeFrame({ type: data, flags: 0, id: 2 * i + 1, length: 1 }, Buffer.of(i));
      await peer.send({ type: window, flags: syn, id: 2 * i + 1 });
      await peer.sendBytes(Buffer.alloc(frame.length * perStream, frame));
    }
    expect(peer.mux.bufferedBytes).toBe(streams * perStream);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    // Two million slices would take 200 MB.
    expect(grown).toBeLessThan(60 * megabyte);
  }, 20_000);

  test("that accepts no bytes makes nothing pile up, and is eventually dropped", async () => {
    const [transport, end] = duplexPair();
    const mux = new Mux(end, {
      side: "server",
      onStream: () => undefined,
      keepalive: { pingMs: 20, silenceMs: 10_000, stallMs: 200 },
    });
    transport.on("error", () => undefined);
    for (let i = 0; i < 50; i++) mux.open().write(Buffer.alloc(megabyte));
    await pause(50);
    // A batch is in progress; the rest waits in its streams, whose writers see the backpressure.
    expect(end.writableLength).toBeLessThan(megabyte);
    const pings = encodeFrame({ type: ping, flags: syn, id: 0, length: 1 });
    for (let i = 0; i < 100; i++) transport.write(pings);
    expect((await mux.closed).reason).toBe("the peer takes no more bytes");
    expect(mux.streamCount).toBe(0);
  });

  test("harms neither other wires nor the process", async () => {
    using good = muxPair({}, { onStream: echo });
    using bad = rawPeer({ onStream: (stream: WireStream) => stream.write("never read") });
    const stream = good.client.open();
    const sent = randomBytes(2 * megabyte);
    stream.end(sent);
    const got = readAll(stream);
    await flood(bad, 100_000, (i) => [{ type: window, flags: syn, id: 2 * i + 1, length: 0 }]);
    await expectDropped(bad, /too many streams opened/);
    expect((await got).equals(sent)).toBe(true);
    expect(good.client.ended).toBeUndefined();
  });
});

describe("for any bytes", () => {
  const header = fc.record({
    type: fc.integer({ min: 0, max: 3 }),
    flags: fc.integer({ min: 0, max: 15 }),
    id: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 0xffff_ffff })),
    length: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 0xffff_ffff })),
  });
  const frame = header.map((h) =>
    encodeFrame(h, h.type === data && h.length <= 20 ? Buffer.alloc(h.length, "p") : undefined),
  );
  const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
  const chunks = fc.array(fc.oneof({ weight: 5, arbitrary: frame }, { weight: 1, arbitrary: noise }), {
    maxLength: 30,
  });

  test("a mux continues, or ends with a reason", async () => {
    await fc.assert(
      fc.asyncProperty(chunks, fc.integer({ min: 1, max: 40 }), async (pieces, size) => {
        const [transport, end] = duplexPair();
        transport.on("error", () => undefined).resume();
        const mux = new Mux(end, { side: "server", onStream: echo });
        for (let i = 0; i < 3; i++) mux.open().resume().write("from here");
        const bytes = Buffer.concat(pieces);
        for (let at = 0; at < bytes.length; at += size) transport.write(bytes.subarray(at, at + size));
        transport.end();
        const { reason, error } = await mux.closed;
        expect(reason).not.toBe("");
        if (error) expect([WireProtocolError.name, "WireClosedError"]).toContain(error.name);
        expect(mux.streamCount).toBe(0);
        // A stream that both sides ended before the wire did is still read to its end.
        await vi.waitUntil(() => mux.bufferedBytes === 0, { interval: 1 });
      }),
      { numRuns: Number(process.env["FUZZ_CASES"] ?? 3000) },
    );
  });
});
