import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { Notifier } from "../std/notifier.ts";

// The pipes pause when more bytes than this wait for the reader.
const highWaterBytes = 256 * 1024;
const tickMs = 20;
const quietTicks = 5;
const maxTicks = 100;

export type OutputType = "stdout" | "stderr";
export interface OutputPiece {
  readonly type: OutputType;
  readonly data: Buffer;
}

/** Receives all output. Reading pauses until the returned promise resolves. */
export type OnOutput = (type: OutputType, data: Buffer) => Promise<void> | undefined;

/**
 * Joins a command's two pipes into one sequence of pieces. The pipes are read no faster than the
 * sequence.
 */
export class CommandOutput {
  readonly #sources: Readable[] = [];
  readonly #changed = new Notifier();
  /** Aborts when the last pipe is closed. */
  readonly #ended = new AbortController();
  #pending: OutputPiece[] = [];
  #size = 0;
  #openCount = 0;
  #chunks = 0;

  addSource(type: OutputType, source: Readable): void {
    // A closed source emits no further events.
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
    // A pipe that fails closes too, after its data was passed on.
    source.on("error", () => undefined);
    source.once("close", () => {
      this.#openCount -= 1;
      if (this.#openCount === 0) this.#ended.abort();
      this.#changed.notify();
    });
  }

  /**
   * Returns the output so far; waits for more while the pipes are open. An empty result marks the
   * end.
   */
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
   * Closes the pipes after the command itself has ended: children that it left behind may hold them
   * open indefinitely. The pipes are still read and are closed after 100 ms without data, or after
   * 2 s if a child keeps writing.
   */
  async closeWhenQuiet(): Promise<void> {
    let quiet = 0;
    for (let ticks = 0; this.#openCount > 0 && quiet < quietTicks && ticks < maxTicks;) {
      const previousChunks = this.#chunks;
      // The pipes nearly always close just after the command ends, so that its result is not
      // delayed by a tick.
      await sleep(tickMs, undefined, { signal: this.#ended.signal }).catch(() => undefined);
      // Timers run late in a busy process, so let pending pipe data arrive before checking again.
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

/**
 * Decodes pieces of output to UTF-8 text or base64. A UTF-8 character that is split between pieces
 * is emitted whole.
 */
export class OutputDecoder {
  readonly #decoders: Record<OutputType, StringDecoder> | undefined;

  constructor(encoding: "utf8" | "base64") {
    // Base64 encodes each piece separately, because a reader decodes every event alone.
    if (encoding === "utf8") this.#decoders = { stdout: new StringDecoder("utf8"), stderr: new StringDecoder("utf8") };
  }

  write({ type, data }: OutputPiece): string {
    return this.#decoders?.[type].write(data) ?? data.toString("base64");
  }

  /** Returns the buffered part of a character whose rest never arrived. */
  end(type: OutputType): string {
    return this.#decoders?.[type].end() ?? "";
  }
}
