import type { Writable } from "node:stream";
import { headerBytes, writeHeader } from "./frames.ts";
import type { FrameHeader } from "./frames.ts";

/**
 * Payloads up to this size are copied next to their header, which is cheaper than another piece for
 * the kernel to gather.
 */
const copyBelowBytes = 4096;
const blockBytes = 16 * 1024;

type WriteCallback = (error?: Error | null) => void;

/**
 * Combines frames into one write. Headers and small payloads go into blocks whose bytes are written
 * only once (a transport may keep them); large payloads are passed on uncopied.
 */
export class FrameWriter {
  #block = Buffer.allocUnsafeSlow(blockBytes);
  #segmentStart = 0;
  #segmentEnd = 0;
  #segments: Buffer[] = [];
  #callbacks: WriteCallback[] = [];
  bytes = 0;

  addFrame(header: FrameHeader): void {
    this.#reserve(headerBytes);
    writeHeader(this.#block, this.#segmentEnd, header);
    this.#segmentEnd += headerBytes;
    this.bytes += headerBytes;
  }

  addPayload(piece: Buffer): void {
    this.bytes += piece.length;
    if (piece.length >= copyBelowBytes) {
      this.#closeSegment();
      this.#segments.push(piece);
      return;
    }
    this.#reserve(piece.length);
    piece.copy(this.#block, this.#segmentEnd);
    this.#segmentEnd += piece.length;
  }

  /**
   * Registers a callback for the time when the transport has accepted the data added so far, or
   * failed.
   */
  onWritten(callback: WriteCallback): void {
    this.#callbacks.push(callback);
  }

  /** Writes all data at once and returns the callbacks to run when the write is done. */
  writeTo(transport: Writable, callback: WriteCallback): WriteCallback[] {
    this.#closeSegment();
    const segments = this.#segments;
    const last = segments.length - 1;
    if (last > 0) transport.cork();
    for (let i = 0; i < last; i++) transport.write(segments[i]);
    transport.write(segments[last], callback);
    if (last > 0) transport.uncork();
    const callbacks = this.#callbacks;
    this.#segments = [];
    this.#callbacks = [];
    this.bytes = 0;
    return callbacks;
  }

  #reserve(bytes: number): void {
    if (this.#segmentEnd + bytes <= this.#block.length) return;
    this.#closeSegment();
    this.#block = Buffer.allocUnsafeSlow(blockBytes);
    this.#segmentStart = 0;
    this.#segmentEnd = 0;
  }

  #closeSegment(): void {
    if (this.#segmentEnd === this.#segmentStart) return;
    this.#segments.push(this.#block.subarray(this.#segmentStart, this.#segmentEnd));
    this.#segmentStart = this.#segmentEnd;
  }
}
