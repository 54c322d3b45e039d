import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * The engine puts a header of this size before each piece of a program's output without a terminal:
 * the stream and the byte count.
 */
const headerBytes = 8;
const streams = { output: 1, errors: 2 } as const;
/** The wire keeps this much of the program's error output. */
const maxErrorCharacters = 400;

/**
 * Presents a program's standard input and output as one byte stream, over the connection that the
 * engine upgraded for it. The program's standard error never enters the stream: the wire keeps it
 * as the reason why the stream ended.
 */
export class ExecWire extends Duplex {
  readonly #transport: Duplex;
  readonly #header = Buffer.alloc(headerBytes);
  #headerRead = 0;
  #remaining = 0;
  #stream = 0;
  #errorOutput = "";
  #isEnded = false;

  constructor(transport: Duplex) {
    super();
    this.#transport = transport;
    transport.on("data", (chunk: Buffer) => this.#handleChunk(chunk));
    transport.on("error", (error) => this.destroy(error));
    transport.on("end", () => this.#endStream());
    transport.on("close", () => this.#endStream());
  }

  /** Returns the program's error output as one line. */
  get errorOutput(): string {
    return this.#errorOutput.replaceAll(/\p{Cc}+/gu, " ").trim();
  }

  /**
   * Resolves with true once the program has passed the first byte on, and with false if it ended
   * without one.
   */
  async waitForFirstByte(signal: AbortSignal | undefined): Promise<boolean> {
    while (this.readableLength === 0) {
      if (this.destroyed || this.readableEnded || this.#transport.readableEnded) return false;
      await sleep(2, undefined, { ...(signal && { signal }) }).catch(() => signal?.throwIfAborted());
    }
    return true;
  }

  override _read(): void {
    this.#transport.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#transport.write(chunk, callback);
  }

  override _writev(pieces: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#transport.cork();
    for (const [index, { chunk }] of pieces.entries()) {
      if (index < pieces.length - 1) this.#transport.write(chunk);
      else this.#transport.write(chunk, callback);
    }
    this.#transport.uncork();
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (!this.#transport.destroyed) this.#transport.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#transport.destroy();
    callback(error);
  }

  /** Ends both directions; bytes that have arrived stay readable. */
  #endStream(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.push(null);
    this.end();
  }

  #handleChunk(chunk: Buffer): void {
    let offset = 0;
    let hasRoom = true;
    while (offset < chunk.length) {
      if (this.#remaining === 0) {
        offset = this.#readHeader(chunk, offset);
        if (offset < 0) return;
        continue;
      }
      const piece = chunk.subarray(offset, offset + this.#remaining);
      offset += piece.length;
      this.#remaining -= piece.length;
      if (this.#stream === streams.output) hasRoom = this.push(piece) && hasRoom;
      else this.#errorOutput = (this.#errorOutput + piece.toString("utf8")).slice(-maxErrorCharacters);
    }
    if (!hasRoom) this.#transport.pause();
  }

  /** Returns the offset of the bytes after the header, or -1 if the header is invalid. */
  #readHeader(chunk: Buffer, offset: number): number {
    const piece = chunk.subarray(offset, offset + headerBytes - this.#headerRead);
    this.#header.set(piece, this.#headerRead);
    this.#headerRead += piece.length;
    if (this.#headerRead < headerBytes) return offset + piece.length;
    this.#headerRead = 0;
    this.#stream = this.#header[0] ?? 0;
    this.#remaining = this.#header.readUInt32BE(4);
    if (this.#stream === streams.output || this.#stream === streams.errors) return offset + piece.length;
    this.destroy(new Error("the engine's stream does not have the format of a program's output"));
    return -1;
  }
}
