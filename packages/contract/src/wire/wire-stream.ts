import { Duplex } from "node:stream";
import { WireClosedError, WireProtocolError } from "./errors.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { Flag, FrameType, initialWindowBytes } from "./frames.ts";
import { ReceiveBacklog } from "./receive-backlog.ts";

/**
 * A stream of a wire: a Duplex that node:http accepts as a socket.
 *
 * Each direction ends separately. Sending: data → FIN after `end()`. Receiving: data → FIN, which
 * appears as 'end' once all data was read. A stream destroyed before both FINs passed sends RST,
 * and the other end sees ECONNRESET instead of an end. An RST after the peer's FIN discards
 * nothing: received data can still be read to its end.
 *
 * A stream never writes to the wire itself. It asks for a turn, and in its turn puts at most one
 * quantum into the writer. Streams therefore share the wire fairly, and the number of streams
 * limits the data that waits for the wire.
 */

/** Limit on the bytes that a stream may send in its turn, before the next stream has one. */
const quantumBytes = 64 * 1024;
const maxWindowBytes = 0xffff_ffff;
type WriteCallback = (error?: Error | null) => void;

/** The operations of the mux that a stream needs. */
export interface StreamHost {
  /** The name of the wire's peer. */
  readonly peer: string;
  /** Gives the stream a turn. */
  schedule(stream: WireStream): void;
  /** Reports that the stream sends no more frames, and that none may arrive for it. */
  forget(stream: WireStream, unusedWindow: number): void;
  /** Reports that bytes entered or left a backlog. */
  addBufferedBytes(delta: number): void;
}

export class WireStream extends Duplex {
  readonly id: number;
  readonly connecting = false;
  /** Milliseconds without traffic after which 'timeout' is emitted, as on a net.Socket. */
  timeout: number | undefined;
  /** Whether the stream waits for its turn. The mux maintains this field. */
  queued = false;

  readonly #host: StreamHost;
  #timer: NodeJS.Timeout | undefined;
  #isForgotten = false;

  // Receiving
  readonly #backlog = new ReceiveBacklog();
  #granted = initialWindowBytes; // what the peer may still send, in bytes
  #pushed = 0; // bytes in the Readable's own buffer at the last look
  #due = 0; // bytes read since the last credit
  #wantsData = false;
  #finReceived = false;
  #ended = false;

  // Sending
  #openingFlag: number; // SYN or ACK, until the first frame has carried it
  #window = initialWindowBytes; // what the peer lets this side send, in bytes
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #pendingCallback: WriteCallback | undefined;
  #finCallback: WriteCallback | undefined;
  #finSent = false;
  #resetByPeer = false;

  constructor(host: StreamHost, id: number, opener: boolean) {
    // The Readable's own buffer holds no more than a piece: the rest is in the backlog, which joins
    // small pieces.
    super({ allowHalfOpen: true, readableHighWaterMark: 1 });
    this.#host = host;
    this.id = id;
    this.#openingFlag = opener ? Flag.syn : Flag.ack;
    // A peer can cut any stream at any moment: an error without a listener must not end the
    // process.
    this.on("error", () => undefined);
    host.schedule(this);
  }

  /** Bytes that wait for the reader. */
  get backlogBytes(): number {
    return this.#backlog.bytes;
  }

  // The methods that the mux calls.

  /**
   * Handles the start of a data frame. Its bytes count against the granted credit even before they
   * arrive.
   */
  claimWindow(length: number): void {
    if (this.#finReceived) throw new WireProtocolError(`data on stream ${this.id} after its end`);
    if (length > this.#granted)
      throw new WireProtocolError(`${length} bytes on stream ${this.id}, whose window is ${this.#granted}`);
    this.#granted -= length;
  }

  receive(piece: Buffer): void {
    if (this.destroyed) return;
    this.#timer?.refresh();
    if (this.#wantsData) {
      this.#pushed += piece.length;
      this.#wantsData = this.push(piece);
      this.#replenish();
      return;
    }
    this.#backlog.add(piece);
    this.#host.addBufferedBytes(piece.length);
  }

  receiveEnd(): void {
    if (this.#finReceived) throw new WireProtocolError(`a second end of stream ${this.id}`);
    this.#finReceived = true;
    this.#endIfDrained();
  }

  receiveReset(): void {
    this.#resetByPeer = true;
    this.#forget();
    if (!this.#finReceived || this.readableEnded) {
      const clean = this.#finReceived && this.writableFinished;
      this.destroy(clean ? undefined : new WireClosedError("the peer reset the stream"));
      return;
    }
    const callback = this.#dropPending();
    callback?.();
    this.#takeFinCallback()?.();
    this.once("end", () => this.destroy());
  }

  /** Handles the end of the wire. */
  terminate(error: Error): void {
    this.#isForgotten = true;
    this.destroy(error);
  }

  grantCredit(credit: number): void {
    this.#window += credit;
    if (this.#window > maxWindowBytes)
      throw new WireProtocolError(`a window of ${this.#window} bytes on stream ${this.id}`);
    if (this.#pendingBytes > 0) this.#host.schedule(this);
  }

  /** Runs the stream's turn. Returns whether the stream wants another. */
  sendTurn(writer: FrameWriter): boolean {
    if (this.#isForgotten) return false;
    if (this.destroyed) {
      if (this.#openingFlag !== Flag.syn)
        writer.addFrame({ type: FrameType.window, flags: Flag.rst, id: this.id, length: 0 });
      this.#forget();
      return false;
    }
    this.#sendCredit(writer);
    this.#sendData(writer);
    this.#sendEnd(writer);
    return this.#pendingBytes > 0 && this.#window > 0;
  }

  #sendCredit(writer: FrameWriter): void {
    const credit = this.#due >= initialWindowBytes / 2 && !this.#finReceived ? this.#due : 0;
    const dataFollows = this.#pendingBytes > 0 && this.#window > 0;
    if (credit === 0 && (this.#openingFlag === 0 || dataFollows)) return;
    this.#due -= credit;
    this.#granted += credit;
    writer.addFrame({ type: FrameType.window, flags: this.#takeOpeningFlag(), id: this.id, length: credit });
  }

  #sendData(writer: FrameWriter): void {
    const length = Math.min(this.#pendingBytes, this.#window, quantumBytes);
    if (length === 0) return;
    writer.addFrame({ type: FrameType.data, flags: this.#takeOpeningFlag(), id: this.id, length });
    this.#window -= length;
    this.#pendingBytes -= length;
    let remainingBytes = length;
    let sentPieces = 0;
    while (remainingBytes > 0) {
      const piece = this.#pending[sentPieces];
      if (!piece) break;
      if (piece.length > remainingBytes) {
        writer.addPayload(piece.subarray(0, remainingBytes));
        this.#pending[sentPieces] = piece.subarray(remainingBytes);
        break;
      }
      writer.addPayload(piece);
      remainingBytes -= piece.length;
      sentPieces++;
    }
    if (this.#pendingBytes > 0) {
      if (sentPieces > 0) this.#pending.splice(0, sentPieces);
      return;
    }
    const callback = this.#dropPending();
    if (callback) writer.onWritten(callback);
  }

  #sendEnd(writer: FrameWriter): void {
    const callback = this.#takeFinCallback();
    if (!callback) return;
    this.#finSent = true;
    writer.addFrame({ type: FrameType.window, flags: Flag.fin, id: this.id, length: 0 });
    writer.onWritten(callback);
  }

  // The methods that Duplex calls.

  override _read(): void {
    this.#wantsData = true;
    this.#pushed = this.#countRead();
    while (this.#wantsData) {
      const piece = this.#backlog.shift();
      if (!piece) break;
      this.#host.addBufferedBytes(-piece.length);
      this.#pushed += piece.length;
      this.#wantsData = this.push(piece);
    }
    this.#endIfDrained();
    this.#replenish();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: WriteCallback): void {
    this.#queuePieces([chunk], chunk.length, callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: WriteCallback): void {
    let bytes = 0;
    const pieces = chunks.map(({ chunk }) => {
      bytes += chunk.length;
      return chunk;
    });
    this.#queuePieces(pieces, bytes, callback);
  }

  override _final(callback: WriteCallback): void {
    if (this.#resetByPeer) {
      callback();
      return;
    }
    this.#finCallback = callback;
    this.#host.schedule(this);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#host.addBufferedBytes(-this.#backlog.bytes);
    this.#backlog.clear();
    const unsent = this.#dropPending() ?? this.#takeFinCallback();
    unsent?.(error ?? new WireClosedError("the stream was destroyed"));
    const bothEnded = this.#finSent && this.#finReceived;
    if (bothEnded) this.#forget();
    else if (!this.#isForgotten) this.#host.schedule(this);
    callback(error);
  }

  // The members that node:http expects of a socket.

  get remoteAddress(): string {
    return this.#host.peer;
  }

  setTimeout(ms: number, listener?: () => void): this {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.timeout = ms;
    if (ms > 0 && !this.destroyed) this.#timer = setTimeout(() => this.emit("timeout"), ms).unref();
    if (listener && ms > 0) this.once("timeout", listener);
    else if (listener) this.removeListener("timeout", listener);
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  /** Ends the stream and ignores further data from the peer. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  #queuePieces(pieces: Buffer[], bytes: number, callback: WriteCallback): void {
    if (this.#resetByPeer || bytes === 0) {
      callback();
      return;
    }
    this.#timer?.refresh();
    this.#pending = pieces;
    this.#pendingBytes = bytes;
    this.#pendingCallback = callback;
    if (this.#window > 0) this.#host.schedule(this);
  }

  #dropPending(): WriteCallback | undefined {
    const callback = this.#pendingCallback;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#pendingCallback = undefined;
    return callback;
  }

  #takeFinCallback(): WriteCallback | undefined {
    const callback = this.#finCallback;
    this.#finCallback = undefined;
    return callback;
  }

  #takeOpeningFlag(): number {
    const flag = this.#openingFlag;
    this.#openingFlag = 0;
    return flag;
  }

  /**
   * Counts bytes that have left the Readable's buffer as read, and returns the number of bytes
   * still in it.
   */
  #countRead(): number {
    const unreadBytes = this.readableLength;
    this.#due += this.#pushed - unreadBytes;
    return unreadBytes;
  }

  #replenish(): void {
    this.#pushed = this.#countRead();
    if (this.#due >= initialWindowBytes / 2 && !this.#finReceived) this.#host.schedule(this);
  }

  #endIfDrained(): void {
    if (!this.#finReceived || this.#ended || this.#backlog.bytes > 0 || this.destroyed) return;
    this.#ended = true;
    this.push(null);
  }

  #forget(): void {
    if (this.#isForgotten) return;
    this.#isForgotten = true;
    this.#host.forget(this, this.#finReceived || this.#resetByPeer ? 0 : this.#granted);
  }
}
