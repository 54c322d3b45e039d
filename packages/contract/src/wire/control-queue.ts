import { Flag, FrameType } from "./frames.ts";
import type { FrameWriter } from "./frame-writer.ts";

/** What may wait for a transport that takes nothing. Pongs beyond it are left out: the peer has asked often enough. */
const MAX_REFUSALS = 4096;
const MAX_PONGS = 64;
const MAX_PING = 0xffff_ffff;

interface Awaited {
  readonly at: number;
  readonly resolve: (ms: number) => void;
  readonly reject: (error: Error) => void;
}

/** Frames that belong to no stream: pings, their answers, and refusals of streams. They go before all others. */
export class ControlQueue {
  #pings: number[] = [];
  #pongs: number[] = [];
  #refusals: number[] = [];
  #nextPing = 1;
  readonly #awaited = new Map<number, Awaited>();

  get waiting(): boolean {
    return this.#pings.length + this.#pongs.length + this.#refusals.length > 0;
  }

  /** Asks for a sign of life. One question that waits to be sent is enough. */
  ping(): void {
    if (this.#pings.length === 0) this.#addPing();
  }

  /** Asks, and tells how many milliseconds the answer took. */
  measure(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#awaited.set(this.#addPing(), { at: performance.now(), resolve, reject });
    return promise;
  }

  /** An answer came. Returns whether anybody measures by it. */
  answered(value: number): boolean {
    const awaited = this.#awaited.get(value);
    this.#awaited.delete(value);
    awaited?.resolve(performance.now() - awaited.at);
    return awaited !== undefined;
  }

  pong(value: number): void {
    if (this.#pongs.length < MAX_PONGS) this.#pongs.push(value);
  }

  /** Returns false where too many wait already. */
  refuse(id: number): boolean {
    return this.#refusals.length < MAX_REFUSALS && this.#refusals.push(id) > 0;
  }

  writeTo(out: FrameWriter): void {
    for (const length of this.#pongs) out.frame({ type: FrameType.ping, flags: Flag.ack, id: 0, length });
    for (const length of this.#pings) out.frame({ type: FrameType.ping, flags: Flag.syn, id: 0, length });
    for (const id of this.#refusals) out.frame({ type: FrameType.window, flags: Flag.rst, id, length: 0 });
    this.#pongs.length = 0;
    this.#pings.length = 0;
    this.#refusals.length = 0;
  }

  fail(error: Error): void {
    for (const { reject } of this.#awaited.values()) reject(error);
    this.#awaited.clear();
  }

  #addPing(): number {
    const value = this.#nextPing;
    this.#nextPing = value === MAX_PING ? 1 : value + 1;
    this.#pings.push(value);
    return value;
  }
}
