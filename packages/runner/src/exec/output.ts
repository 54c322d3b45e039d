import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { Notifier } from "../support/notifier.ts";

const highWaterBytes = 256 * 1024; // bytes that wait for the reader before the pipes are no longer read
const tickMs = 20; // ms
const quietTicks = 5;
const maxTicks = 100;

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
  readonly #changed = new Notifier();
  /** Aborted when the last pipe is closed. */
  readonly #ended = new AbortController();
  #pending: OutputPiece[] = [];
  #size = 0;
  #openCount = 0;
  #chunks = 0;

  addSource(type: OutputType, source: Readable): void {
    // One that closed before says so to nobody any more.
    if (source.closed) return;
    this.#sources.push(source);
    this.#openCount += 1;
    source.on("data", (data: Buffer) => {
      this.#chunks += 1;
      this.#pending.push({ type, data });
      this.#size += data.length;
      if (this.#size > highWaterBytes) for (const one of this.#sources) one.pause();
      this.#changed.notify();
    });
    // A pipe that fails closes too, and what it brought was handed on.
    source.on("error", () => undefined);
    source.once("close", () => {
      this.#openCount -= 1;
      if (this.#openCount === 0) this.#ended.abort();
      this.#changed.notify();
    });
  }

  /** What came by now; waits for more while the pipes are open. Nothing is the end. */
  async readNext(): Promise<OutputPiece[]> {
    while (this.#pending.length === 0) {
      if (this.#openCount === 0) return [];
      await this.#changed.wait();
    }
    const pieces = this.#pending;
    this.#pending = [];
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
    for (let ticks = 0; this.#openCount > 0 && quiet < quietTicks && ticks < maxTicks;) {
      const previousChunks = this.#chunks;
      // Nearly always the pipes close just after the command ends: whoever waits for its result waits no tick.
      await sleep(tickMs, undefined, { signal: this.#ended.signal }).catch(() => undefined);
      // A busy process comes to its timers late; the pipes are looked at between them and this.
      await nextTurn();
      if (this.#sources.some((source) => source.isPaused())) continue;
      quiet = this.#chunks === previousChunks ? quiet + 1 : 0;
      ticks += 1;
    }
    this.close();
  }

  close(): void {
    for (const source of this.#sources) source.destroy();
  }
}

/** Writes pieces of output as text: each whole in UTF-8, or as base64. A character split between pieces comes whole. */
export class OutputDecoder {
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
