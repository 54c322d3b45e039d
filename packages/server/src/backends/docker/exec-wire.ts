import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/** The engine puts this before each piece of what a program without a terminal prints: which stream, and how many bytes. */
const headerBytes = 8;
const Stream = { output: 1, errors: 2 } as const;
/** How much of what the program said of its trouble is kept. */
const wordsKept = 400; // characters

/**
 * A program's standard input and output as one byte stream, out of the connection the engine took over for it. What it
 * prints to its standard error never gets into the stream: it is kept as the reason why the stream ended.
 */
export class ExecWire extends Duplex {
  readonly #transport: Duplex;
  readonly #header = Buffer.alloc(headerBytes);
  #headerRead = 0;
  #left = 0;
  #stream = 0;
  #words = "";
  #isOver = false;

  constructor(transport: Duplex) {
    super();
    this.#transport = transport;
    transport.on("data", (chunk: Buffer) => this.#take(chunk));
    transport.on("error", (error) => this.destroy(error));
    transport.on("end", () => this.#over());
    transport.on("close", () => this.#over());
  }

  /** What the program said of its trouble. */
  get words(): string {
    return this.#words.replaceAll(/\p{Cc}+/gu, " ").trim();
  }

  /** Resolves with true once the program has let the first byte through, and with false where it ended without one. */
  async begun(signal: AbortSignal | undefined): Promise<boolean> {
    while (this.readableLength === 0) {
      if (this.destroyed || this.readableEnded || this.#transport.readableEnded) return false;
      await sleep(2, undefined, { ...(signal && { signal }) }).catch(() => signal?.throwIfAborted());
    }
    return true;
  }

  override _read(): void {
    this.#transport.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#transport.write(chunk, done);
  }

  override _writev(pieces: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#transport.cork();
    for (const [index, { chunk }] of pieces.entries()) {
      if (index < pieces.length - 1) this.#transport.write(chunk);
      else this.#transport.write(chunk, done);
    }
    this.#transport.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#transport.destroyed) this.#transport.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#transport.destroy();
    done(error);
  }

  /** What came is still there to be read; then both directions are over. */
  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.push(null);
    this.end();
  }

  #take(chunk: Buffer): void {
    let at = 0;
    let wanted = true;
    while (at < chunk.length) {
      if (this.#left === 0) {
        at = this.#readHeader(chunk, at);
        if (at < 0) return;
        continue;
      }
      const piece = chunk.subarray(at, at + this.#left);
      at += piece.length;
      this.#left -= piece.length;
      if (this.#stream === Stream.output) wanted = this.push(piece) && wanted;
      else this.#words = (this.#words + piece.toString("utf8")).slice(-wordsKept);
    }
    if (!wanted) this.#transport.pause();
  }

  /** Where the bytes behind the header begin, or -1 where it is none. */
  #readHeader(chunk: Buffer, at: number): number {
    const piece = chunk.subarray(at, at + headerBytes - this.#headerRead);
    this.#header.set(piece, this.#headerRead);
    this.#headerRead += piece.length;
    if (this.#headerRead < headerBytes) return at + piece.length;
    this.#headerRead = 0;
    this.#stream = this.#header[0] ?? 0;
    this.#left = this.#header.readUInt32BE(4);
    if (this.#stream === Stream.output || this.#stream === Stream.errors) return at + piece.length;
    this.destroy(new Error("the engine's stream is not what a program printed"));
    return -1;
  }
}
