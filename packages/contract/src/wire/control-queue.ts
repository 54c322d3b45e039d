import type { FrameWriter } from "./frame-writer.ts";
import { Flag, FrameType } from "./frames.ts";

/**
 * Limits on the frames that wait for a blocked transport. Further pongs are dropped: the peer has
 * pinged often enough.
 */
const maxRefusals = 4096;
const maxPongs = 64;
const maxPingValue = 0xffff_ffff;

interface PendingPing {
  readonly sentAt: number;
  readonly resolve: (ms: number) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Frames that belong to no stream: pings, their answers, and refusals of streams. They are sent
 * before all other frames.
 */
export class ControlQueue {
  #pings: number[] = [];
  #pongs: number[] = [];
  #refusals: number[] = [];
  #nextPing = 1;
  readonly #pendingPings = new Map<number, PendingPing>();

  get hasFrames(): boolean {
    return this.#pings.length + this.#pongs.length + this.#refusals.length > 0;
  }

  /** Queues a ping, unless a ping is waiting to be sent already. */
  ping(): void {
    if (this.#pings.length === 0) this.#addPing();
  }

  /** Sends a ping and returns the round-trip time in milliseconds. */
  measureRoundTrip(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#pendingPings.set(this.#addPing(), { sentAt: performance.now(), resolve, reject });
    return promise;
  }

  /** Handles a pong. Returns whether a caller measures the round trip of its ping. */
  resolvePing(value: number): boolean {
    const pendingPing = this.#pendingPings.get(value);
    this.#pendingPings.delete(value);
    pendingPing?.resolve(performance.now() - pendingPing.sentAt);
    return pendingPing !== undefined;
  }

  addPong(value: number): void {
    if (this.#pongs.length < maxPongs) this.#pongs.push(value);
  }

  /** Returns false if too many refusals are waiting already. */
  addRefusal(id: number): boolean {
    return this.#refusals.length < maxRefusals && this.#refusals.push(id) > 0;
  }

  writeTo(writer: FrameWriter): void {
    for (const length of this.#pongs) writer.addFrame({ type: FrameType.ping, flags: Flag.ack, id: 0, length });
    for (const length of this.#pings) writer.addFrame({ type: FrameType.ping, flags: Flag.syn, id: 0, length });
    for (const id of this.#refusals) writer.addFrame({ type: FrameType.window, flags: Flag.rst, id, length: 0 });
    this.#pongs.length = 0;
    this.#pings.length = 0;
    this.#refusals.length = 0;
  }

  rejectPings(error: Error): void {
    for (const { reject } of this.#pendingPings.values()) reject(error);
    this.#pendingPings.clear();
  }

  #addPing(): number {
    const value = this.#nextPing;
    this.#nextPing = value === maxPingValue ? 1 : value + 1;
    this.#pings.push(value);
    return value;
  }
}
