import { WireProtocolError } from "./errors.ts";

/**
 * yamux's published framing: a header of twelve bytes (version, type, flags, stream id, length; big-endian), followed
 * by `length` bytes where the type is data. In a window frame `length` is the credit, in a ping an opaque value, in a
 * goaway a code.
 */
export const FrameType = { data: 0, window: 1, ping: 2, goaway: 3 } as const;
export const Flag = { syn: 1, ack: 2, fin: 4, rst: 8 } as const;
export const GoawayCode = { normal: 0, protocolError: 1, internalError: 2 } as const;

export const HEADER_BYTES = 12;
/** What either side may send on a new stream before it is given credit; fixed by yamux. */
export const INITIAL_WINDOW = 256 * 1024;
const VERSION = 0;
const ALL_FLAGS = Flag.syn | Flag.ack | Flag.fin | Flag.rst;

export interface FrameHeader {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly length: number;
}

export function writeHeader(target: Buffer, at: number, header: FrameHeader): void {
  target[at] = VERSION;
  target[at + 1] = header.type;
  target.writeUInt16BE(header.flags, at + 2);
  target.writeUInt32BE(header.id, at + 4);
  target.writeUInt32BE(header.length, at + 8);
}

export function encodeFrame(header: FrameHeader, payload?: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + (payload?.length ?? 0));
  writeHeader(frame, 0, header);
  if (payload) frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Who is told of frames. The payload of a data frame comes in pieces, as it arrives, so that none is ever put together. */
export interface FrameSink {
  frame(header: FrameHeader): void;
  payload(piece: Buffer, last: boolean): void;
}

/** Reads frames out of bytes that are split anywhere. Holds at most one unfinished header; payloads are passed on uncopied. */
export class FrameDecoder {
  readonly #sink: FrameSink;
  readonly #maxPayload: number;
  readonly #partial = Buffer.alloc(HEADER_BYTES);
  #partialBytes = 0;
  #payloadLeft = 0;
  #stopped = false;

  constructor(sink: FrameSink, maxPayload: number) {
    this.#sink = sink;
    this.#maxPayload = maxPayload;
  }

  /** Whether the bytes so far end inside a frame. */
  get midFrame(): boolean {
    return this.#partialBytes > 0 || this.#payloadLeft > 0;
  }

  /** Nothing more is told, not even of bytes that were pushed already. */
  stop(): void {
    this.#stopped = true;
  }

  /** Throws WireProtocolError at the first frame that cannot be. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#payloadLeft > 0) at = this.#passPayload(chunk, at);
      else if (this.#partialBytes === 0 && chunk.length - at >= HEADER_BYTES) {
        this.#readHeader(chunk, at);
        at += HEADER_BYTES;
      } else at = this.#collectHeader(chunk, at);
    }
  }

  #passPayload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#payloadLeft);
    this.#payloadLeft -= end - at;
    this.#sink.payload(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end), this.#payloadLeft === 0);
    return end;
  }

  #collectHeader(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + HEADER_BYTES - this.#partialBytes);
    chunk.copy(this.#partial, this.#partialBytes, at, end);
    this.#partialBytes += end - at;
    if (this.#partialBytes === HEADER_BYTES) {
      this.#partialBytes = 0;
      this.#readHeader(this.#partial, 0);
    }
    return end;
  }

  #readHeader(bytes: Buffer, at: number): void {
    const type = bytes[at + 1] ?? 0;
    const flags = bytes.readUInt16BE(at + 2);
    const length = bytes.readUInt32BE(at + 8);
    if (bytes[at] !== VERSION) throw new WireProtocolError(`a frame of version ${bytes[at]}`);
    if (type > FrameType.goaway) throw new WireProtocolError(`a frame of type ${type}`);
    if (flags > ALL_FLAGS) throw new WireProtocolError(`a frame with flags ${flags}`);
    if (type === FrameType.data) {
      if (length > this.#maxPayload) throw new WireProtocolError(`a frame of ${length} bytes`);
      this.#payloadLeft = length;
    }
    this.#sink.frame({ type, flags, id: bytes.readUInt32BE(at + 4), length });
  }
}
