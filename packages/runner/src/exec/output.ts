import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { Bell } from "../support/bell.ts";

const HIGH_WATER = 256 * 1024; // bytes that wait for the reader before the pipes are no longer read
const TICK = 20; // ms
const QUIET_TICKS = 5;
const MOST_TICKS = 100;

export type OutputType = "stdout" | "stderr";
export interface OutputPiece {
  readonly type: OutputType;
  readonly data: Buffer;
}

/** Told of all output. What it returns is waited for before more is read. */
export type OnOutput = (type: OutputType, data: Buffer) => Promise<void> | undefined;

/** Joins a command's two pipes into one sequence of pieces. It reads no faster than it is read. */
export class CommandOutput {
  readonly #sources: Readable[] = [];
  readonly #changed = new Bell();
  /** Aborted when the last pipe is closed. */
  readonly #ended = new AbortController();
  #waiting: OutputPiece[] = [];
  #size = 0;
  #open = 0;
  #chunks = 0;

  add(type: OutputType, source: Readable): void {
    // One that closed before says so to nobody any more.
    if (source.closed) return;
    this.#sources.push(source);
    this.#open += 1;
    source.on("data", (data: Buffer) => {
      this.#chunks += 1;
      this.#waiting.push({ type, data });
      this.#size += data.length;
      if (this.#size > HIGH_WATER) for (const one of this.#sources) one.pause();
      this.#changed.ring();
    });
    // A pipe that fails closes too, and what it brought was handed on.
    source.on("error", () => undefined);
    source.once("close", () => {
      this.#open -= 1;
      if (this.#open === 0) this.#ended.abort();
      this.#changed.ring();
    });
  }

  /** What came by now; waits for more while the pipes are open. Nothing is the end. */
  async take(): Promise<OutputPiece[]> {
    while (this.#waiting.length === 0) {
      if (this.#open === 0) return [];
      await this.#changed.wait();
    }
    const pieces = this.#waiting;
    this.#waiting = [];
    this.#size = 0;
    for (const source of this.#sources) source.resume();
    return pieces;
  }

  /**
   * Called when the command itself has ended: children it left behind may hold the pipes open for ever. What is in the
   * pipes is still read; they are closed when nothing came for 100 ms, or when such a child goes on for 2 s.
   */
  async closeWhenQuiet(): Promise<void> {
    let quiet = 0;
    for (let ticks = 0; this.#open > 0 && quiet < QUIET_TICKS && ticks < MOST_TICKS;) {
      const before = this.#chunks;
      // Nearly always the pipes close just after the command ends: whoever waits for its result waits no tick.
      await sleep(TICK, undefined, { signal: this.#ended.signal }).catch(() => undefined);
      // A busy process comes to its timers late; the pipes are looked at between them and this.
      await nextTurn();
      if (this.#sources.some((source) => source.isPaused())) continue;
      quiet = this.#chunks === before ? quiet + 1 : 0;
      ticks += 1;
    }
    this.close();
  }

  close(): void {
    for (const source of this.#sources) source.destroy();
  }
}

/** Writes pieces of output as text: each whole in UTF-8, or as base64. A character split between pieces comes whole. */
export class OutputText {
  readonly #decoders: Record<OutputType, StringDecoder> | undefined;

  constructor(encoding: "utf8" | "base64") {
    // Base64 of each piece by itself: a reader decodes every event alone.
    if (encoding === "utf8") this.#decoders = { stdout: new StringDecoder("utf8"), stderr: new StringDecoder("utf8") };
  }

  write({ type, data }: OutputPiece): string {
    return this.#decoders?.[type].write(data) ?? data.toString("base64");
  }

  /** What waits for the rest of its character, which never came. */
  end(type: OutputType): string {
    return this.#decoders?.[type].end() ?? "";
  }
}
