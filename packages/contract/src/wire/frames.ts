import { WireProtocolError } from "./errors.ts";

/**
 * Yamux's published framing: a header of twelve bytes (version, type, flags, stream id, length;
 * big-endian), followed by `length` bytes if the type is data. In a window frame `length` is the
 * credit, in a ping an opaque value, in a goaway a code.
 */
export const FrameType = { data: 0, window: 1, ping: 2, goaway: 3 } as const;
export const Flag = { syn: 1, ack: 2, fin: 4, rst: 8 } as const;
export const GoawayCode = { normal: 0, protocolError: 1, internalError: 2 } as const;

export const headerBytes = 12;
/**
 * The number of bytes that either side may send on a new stream before it gets credit; fixed by
 * yamux.
 */
export const initialWindowBytes = 256 * 1024;
const frameVersion = 0;
const allFlags = Flag.syn | Flag.ack | Flag.fin | Flag.rst;

export interface FrameHeader {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly length: number;
}

export function writeHeader(target: Buffer, offset: number, header: FrameHeader): void {
  target[offset] = frameVersion;
  target[offset + 1] = header.type;
  target.writeUInt16BE(header.flags, offset + 2);
  target.writeUInt32BE(header.id, offset + 4);
  target.writeUInt32BE(header.length, offset + 8);
}

export function encodeFrame(header: FrameHeader, payload?: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + (payload?.length ?? 0));
  writeHeader(frame, 0, header);
  if (payload) frame.set(payload, headerBytes);
  return frame;
}

/** The receiver of frames. The payload of a data frame arrives in pieces and is never joined. */
export interface FrameSink {
  onFrame(header: FrameHeader): void;
  onPayload(piece: Buffer, last: boolean): void;
}

/**
 * Reads frames from bytes that are split anywhere. The decoder holds at most one unfinished header
 * and passes payloads on uncopied.
 */
export class FrameDecoder {
  readonly #sink: FrameSink;
  readonly #maxPayload: number;
  readonly #partial = Buffer.alloc(headerBytes);
  #partialBytes = 0;
  #remainingPayloadBytes = 0;
  #isStopped = false;

  constructor(sink: FrameSink, maxPayload: number) {
    this.#sink = sink;
    this.#maxPayload = maxPayload;
  }

  /** Whether the bytes so far end inside a frame. */
  get isMidFrame(): boolean {
    return this.#partialBytes > 0 || this.#remainingPayloadBytes > 0;
  }

  /** Stops all reports, including those of bytes that were pushed already. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Throws a WireProtocolError at the first invalid frame. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length && !this.#isStopped) {
      if (this.#remainingPayloadBytes > 0) offset = this.#passPayload(chunk, offset);
      else if (this.#partialBytes === 0 && chunk.length - offset >= headerBytes) {
        this.#readHeader(chunk, offset);
        offset += headerBytes;
      } else offset = this.#collectHeader(chunk, offset);
    }
  }

  #passPayload(chunk: Buffer, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#remainingPayloadBytes);
    this.#remainingPayloadBytes -= end - offset;
    this.#sink.onPayload(
      offset === 0 && end === chunk.length ? chunk : chunk.subarray(offset, end),
      this.#remainingPayloadBytes === 0,
    );
    return end;
  }

  #collectHeader(chunk: Buffer, offset: number): number {
    const end = Math.min(chunk.length, offset + headerBytes - this.#partialBytes);
    chunk.copy(this.#partial, this.#partialBytes, offset, end);
    this.#partialBytes += end - offset;
    if (this.#partialBytes === headerBytes) {
      this.#partialBytes = 0;
      this.#readHeader(this.#partial, 0);
    }
    return end;
  }

  #readHeader(bytes: Buffer, offset: number): void {
    const type = bytes[offset + 1] ?? 0;
    const flags = bytes.readUInt16BE(offset + 2);
    const length = bytes.readUInt32BE(offset + 8);
    if (bytes[offset] !== frameVersion) throw new WireProtocolError(`a frame of version ${bytes[offset]}`);
    if (type > FrameType.goaway) throw new WireProtocolError(`a frame of type ${type}`);
    if (flags > allFlags) throw new WireProtocolError(`a frame with flags ${flags}`);
    if (type === FrameType.data) {
      if (length > this.#maxPayload) throw new WireProtocolError(`a frame of ${length} bytes`);
      this.#remainingPayloadBytes = length;
    }
    this.#sink.onFrame({ type, flags, id: bytes.readUInt32BE(offset + 4), length });
  }
}
