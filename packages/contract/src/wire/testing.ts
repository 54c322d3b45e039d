import { once } from "node:events";
import { duplexPair } from "node:stream";
import type { Duplex } from "node:stream";
import { encodeFrame, FrameDecoder } from "./frames.ts";
import type { FrameHeader } from "./frames.ts";
import type { MuxOptions } from "./mux-options.ts";
import { Mux } from "./mux.ts";
import type { WireStream } from "./wire-stream.ts";

/** Helpers shared by the wire's tests. */

export interface MuxPair extends Disposable {
  readonly client: Mux;
  readonly server: Mux;
  /** The transport's two ends, the client's first. */
  readonly ends: readonly [Duplex, Duplex];
}

type SideOptions = Partial<Omit<MuxOptions, "side">>;

const refuse = (stream: WireStream) => stream.destroy();

export function muxPair(client: SideOptions = {}, server: SideOptions = {}): MuxPair {
  const ends = duplexPair();
  const pair = {
    ends,
    client: new Mux(ends[0], { onStream: refuse, ...client, side: "client" }),
    server: new Mux(ends[1], { onStream: refuse, ...server, side: "server" }),
  };
  return { ...pair, [Symbol.dispose]: () => (pair.client.close(), pair.server.close()) };
}

export const echo = (stream: WireStream): void => {
  stream.on("data", (piece: Buffer) => {
    if (stream.write(piece)) return;
    stream.pause();
    stream.once("drain", () => stream.resume());
  });
  stream.on("end", () => stream.end());
};

/** A peer that writes its own frames and records the frames that it receives. */
export interface RawPeer extends Disposable {
  readonly mux: Mux;
  readonly transport: Duplex;
  readonly heard: FrameHeader[];
  /** Resolves when the mux has accepted the bytes, or is gone. */
  send(header: Partial<FrameHeader>, payload?: Uint8Array): Promise<void>;
  sendBytes(bytes: Uint8Array): Promise<void>;
}

/** The mux under test is the server; the raw peer opens streams 1, 3, 5, … */
export function rawPeer(options: SideOptions = {}): RawPeer {
  const [transport, end] = duplexPair();
  const mux = new Mux(end, { onStream: () => undefined, ...options, side: "server" });
  const heard: FrameHeader[] = [];
  const decoder = new FrameDecoder(
    { onFrame: (header) => heard.push(header), onPayload: () => undefined },
    0xffff_ffff,
  );
  transport.on("data", (chunk: Buffer) => decoder.push(chunk));
  transport.on("error", () => undefined);
  const sendBytes = (bytes: Uint8Array) =>
    new Promise<void>((resolve) => {
      if (mux.ended) return resolve();
      void mux.closed.then(() => resolve());
      transport.write(bytes, () => setImmediate(resolve));
    });
  return {
    mux,
    transport,
    heard,
    sendBytes,
    send: ({ type = 0, flags = 0, id = 0, length }, payload) =>
      sendBytes(encodeFrame({ type, flags, id, length: length ?? payload?.length ?? 0 }, payload)),
    [Symbol.dispose]: () => (mux.close(), void transport.destroy()),
  };
}

export async function readAll(stream: Duplex): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Returns the error that a stream is destroyed with. Rejects if the stream closes without one. */
export async function errorOf(stream: Duplex): Promise<Error & { code?: string }> {
  if (stream.errored) return stream.errored;
  const [error] = await Promise.race([
    once(stream, "error").catch((e: Error) => [e]),
    once(stream, "close").then(() => [stream.errored ?? new Error("closed without an error")]),
  ]);
  return error;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until everything has arrived that is on its way inside this process. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits for a condition, and fails if it does not become true: a busy machine may take seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 5_000; i++) {
    if (condition()) return;
    await pause(4);
  }
  throw new Error(`never: ${what}`);
}
