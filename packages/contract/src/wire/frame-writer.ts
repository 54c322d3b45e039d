import type { Writable } from "node:stream";
import { HEADER_BYTES, writeHeader } from "./frames.ts";
import type { FrameHeader } from "./frames.ts";

/** Payloads up to this are copied beside their header: cheaper than one more piece for the kernel to gather. */
const COPY_BELOW = 4096;
const BLOCK_BYTES = 16 * 1024;

type Done = (error?: Error | null) => void;

/**
 * Puts frames together into one write. Headers and small payloads are laid into blocks whose bytes are written once
 * and never again (a transport may keep them); large payloads are passed on as they are.
 */
export class FrameWriter {
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #from = 0;
  #to = 0;
  #segments: Buffer[] = [];
  #callbacks: Done[] = [];
  bytes = 0;

  frame(header: FrameHeader): void {
    this.#reserve(HEADER_BYTES);
    writeHeader(this.#block, this.#to, header);
    this.#to += HEADER_BYTES;
    this.bytes += HEADER_BYTES;
  }

  payload(piece: Buffer): void {
    this.bytes += piece.length;
    if (piece.length >= COPY_BELOW) {
      this.#closeSegment();
      this.#segments.push(piece);
      return;
    }
    this.#reserve(piece.length);
    piece.copy(this.#block, this.#to);
    this.#to += piece.length;
  }

  /** Called when the transport has taken what was put in so far, or will never. */
  after(callback: Done): void {
    this.#callbacks.push(callback);
  }

  /** Writes all at once and gives back whom to tell when it is done. */
  writeTo(transport: Writable, done: Done): Done[] {
    this.#closeSegment();
    const segments = this.#segments;
    const last = segments.length - 1;
    if (last > 0) transport.cork();
    for (let i = 0; i < last; i++) transport.write(segments[i]);
    transport.write(segments[last], done);
    if (last > 0) transport.uncork();
    const callbacks = this.#callbacks;
    this.#segments = [];
    this.#callbacks = [];
    this.bytes = 0;
    return callbacks;
  }

  #reserve(bytes: number): void {
    if (this.#to + bytes <= this.#block.length) return;
    this.#closeSegment();
    this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#from = 0;
    this.#to = 0;
  }

  #closeSegment(): void {
    if (this.#to === this.#from) return;
    this.#segments.push(this.#block.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
