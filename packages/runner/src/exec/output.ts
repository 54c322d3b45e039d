import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { ExecEvent } from "@wharf/contract";
import { Bell } from "../support/bell.ts";

const HIGH_WATER = 256 * 1024; // characters that wait for the reader before the pipes are no longer read
const PIECE = 64 * 1024; // characters of one event
const TICK = 20; // ms
const QUIET_TICKS = 5;
const MOST_TICKS = 100;

type OutputEvent = Extract<ExecEvent, { data: string }>;

/** Joins a command's two pipes into one sequence of events, each text whole in UTF-8. It reads no faster than it is read. */
export class CommandOutput {
  readonly #sources: Readable[] = [];
  readonly #changed = new Bell();
  /** Aborted when the last pipe is closed. */
  readonly #ended = new AbortController();
  #waiting: OutputEvent[] = [];
  #size = 0;
  #open = 0;
  #chunks = 0;

  add(type: OutputEvent["type"], source: Readable): void {
    const decoder = new StringDecoder("utf8");
    this.#sources.push(source);
    this.#open += 1;
    source.on("data", (bytes: Buffer) => {
      this.#chunks += 1;
      this.#put(type, decoder.write(bytes));
    });
    // A pipe that fails closes too, and what it brought was handed on.
    source.on("error", () => undefined);
    source.once("close", () => {
      this.#put(type, decoder.end());
      this.#open -= 1;
      if (this.#open === 0) this.#ended.abort();
      this.#changed.ring();
    });
  }

  /** What came by now; waits for more while the pipes are open. Nothing is the end. */
  async take(): Promise<OutputEvent[]> {
    while (this.#waiting.length === 0) {
      if (this.#open === 0) return [];
      await this.#changed.wait();
    }
    const events = this.#waiting;
    this.#waiting = [];
    this.#size = 0;
    for (const source of this.#sources) source.resume();
    return events;
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

  #put(type: OutputEvent["type"], text: string): void {
    for (let at = 0; at < text.length;) {
      let end = Math.min(at + PIECE, text.length);
      // A pair of surrogates is one character and stays in one piece.
      if (end < text.length && /[\uD800-\uDBFF]/.test(text.charAt(end - 1))) end -= 1;
      this.#waiting.push({ type, data: text.slice(at, end) });
      at = end;
    }
    this.#size += text.length;
    if (this.#size > HIGH_WATER) for (const source of this.#sources) source.pause();
    if (text) this.#changed.ring();
  }
}
