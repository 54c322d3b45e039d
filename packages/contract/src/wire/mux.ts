import type { Duplex } from "node:stream";
import { ControlQueue } from "./control-queue.ts";
import { WireClosedError, WireProtocolError } from "./errors.ts";
import { FrameWriter } from "./frame-writer.ts";
import { encodeFrame, Flag, FrameDecoder, FrameType, GoawayCode, initialWindowBytes } from "./frames.ts";
import type { FrameHeader } from "./frames.ts";
import { Heartbeat } from "./heartbeat.ts";
import { defaultKeepalive, defaultLimits } from "./limits.ts";
import type { MuxLimits } from "./limits.ts";
import type { MuxEnd, MuxOptions } from "./mux-options.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { TokenBucket } from "./token-bucket.ts";
import { WireStream } from "./wire-stream.ts";
import type { StreamHost } from "./wire-stream.ts";

/**
 * Many streams on one byte stream.
 *
 * A mux is open → closing (the peer sent goaway: no new streams) → ended, and ended is final: every
 * stream that was open sees an error at once, and `closed` resolves with the reason. A mux ends
 * when the transport ends, when `close` or `destroy` is called, when the peer is silent or accepts
 * nothing for too long, and when the peer breaks the protocol.
 *
 * The peer may be hostile. Reading never waits, so a stream without a reader does not hold up other
 * streams. The windows, `maxBufferedBytes` and the number of streams limit the data that can pile
 * up. All outgoing data is kept as state of the streams and turned into frames only when the
 * transport accepts them: one write is in progress at a time, so a peer that does not read causes
 * no growth either.
 */

/** Limit on the bytes passed to the transport at once. */
const batchBytes = 256 * 1024;
const maxStreamId = 0xffff_ffff;
const closeGraceMs = 1000;
/**
 * Limit on consecutive writes before the event loop runs: a write that the transport accepts at
 * once needs no turn of the loop.
 */
const maxConsecutiveWrites = 16;

export class Mux implements StreamHost {
  readonly peer: string;
  readonly closed: Promise<MuxEnd>;

  readonly #transport: Duplex;
  readonly #onStream: (stream: WireStream) => void;
  readonly #limits: MuxLimits;
  readonly #decoder: FrameDecoder;
  readonly #writer = new FrameWriter();
  readonly #control = new ControlQueue();
  readonly #streams = new Map<number, WireStream>();
  readonly #ready = new ReadyQueue<WireStream>();
  readonly #opens: TokenBucket;
  readonly #pings: TokenBucket;
  readonly #idleFrames: TokenBucket;
  readonly #heartbeat: Heartbeat;
  readonly #settle: (end: MuxEnd) => void;

  #end: MuxEnd | undefined;
  #isPeerLeaving = false;
  #nextId: number;
  #lastPeerId: number;
  #peerStreams = 0;
  #bufferedBytes = 0;

  // The data frame whose payload is arriving.
  #target: WireStream | undefined;
  #targetEnds = false;
  /**
   * Bytes that may still arrive for streams that are gone: credit that was granted and not used.
   */
  #strayBytes = 0;

  // State of the writes to the transport.
  #isFlushScheduled = false;
  #isWriting = false;
  #writesInARow = 0;
  #inFlight: ((error?: Error | null) => void)[] = [];

  constructor(transport: Duplex, options: MuxOptions) {
    this.peer = options.peer ?? "wire";
    this.#transport = transport;
    this.#onStream = options.onStream;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#nextId = options.side === "client" ? 1 : 2;
    this.#lastPeerId = options.side === "client" ? 0 : -1;
    this.#opens = new TokenBucket(this.#limits.opens);
    this.#pings = new TokenBucket(this.#limits.pings);
    this.#idleFrames = new TokenBucket(this.#limits.idleFrames);
    this.#decoder = new FrameDecoder(
      { onFrame: (header) => this.#onFrame(header), onPayload: (piece, last) => this.#onPayload(piece, last) },
      this.#limits.maxFrameBytes,
    );
    const { promise, resolve } = Promise.withResolvers<MuxEnd>();
    this.closed = promise;
    this.#settle = resolve;
    this.#heartbeat = new Heartbeat(
      { ...defaultKeepalive, ...options.keepalive },
      {
        ping: () => {
          this.#control.ping();
          this.#scheduleFlush();
        },
        isWriting: () => this.#isWriting,
        onDead: (why) => this.#onPeerDead(why),
      },
    );
    this.#listen();
  }

  /**
   * Opens a stream to the peer, which is writable at once. Throws a WireClosedError if the wire is
   * gone.
   */
  open(): WireStream {
    if (this.#end) throw new WireClosedError(`the wire is gone: ${this.#end.reason}`, { cause: this.#end.error });
    if (this.#isPeerLeaving) throw new WireClosedError("the peer takes no new streams");
    if (this.#nextId > maxStreamId) {
      this.close("all stream ids are used");
      throw new WireClosedError("all stream ids are used");
    }
    const stream = new WireStream(this, this.#nextId, true);
    this.#streams.set(stream.id, stream);
    this.#nextId += 2;
    return stream;
  }

  /** Measures the round trip to the peer, in milliseconds. */
  ping(): Promise<number> {
    if (this.#end) return Promise.reject(new WireClosedError(`the wire is gone: ${this.#end.reason}`));
    const answer = this.#control.measureRoundTrip();
    this.#scheduleFlush();
    return answer;
  }

  /** Sends a goaway and ends the wire. Open streams see an error, here and at the peer. */
  close(reason = "closed"): void {
    if (this.#end) return;
    this.#finish({ reason, error: undefined });
    const timer = setTimeout(() => this.#transport.destroy(), closeGraceMs).unref();
    this.#transport.once("close", () => clearTimeout(timer));
    this.#transport.end(createGoawayFrame(GoawayCode.normal), () => this.#transport.destroy());
  }

  /** Drops the wire without a goaway. */
  destroy(error: Error): void {
    if (this.#end) return;
    this.#finish({ reason: error.message, error });
    this.#transport.destroy();
  }

  get ended(): MuxEnd | undefined {
    return this.#end;
  }

  /** Number of streams that are open, or closed without the peer's knowledge yet. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Bytes received but not read yet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  // The methods that streams call.

  schedule(stream: WireStream): void {
    if (stream.queued || this.#end) return;
    stream.queued = true;
    this.#ready.push(stream);
    this.#scheduleFlush();
  }

  forget(stream: WireStream, unusedWindow: number): void {
    if (!this.#streams.delete(stream.id)) return;
    if (!this.#isOurs(stream.id)) this.#peerStreams--;
    this.#strayBytes += unusedWindow;
  }

  addBufferedBytes(delta: number): void {
    this.#bufferedBytes += delta;
    if (delta > 0 && this.#bufferedBytes > this.#limits.maxBufferedBytes) this.#resetFullest();
  }

  #resetFullest(): void {
    let fullest: WireStream | undefined;
    for (const stream of this.#streams.values()) {
      if (!fullest || stream.backlogBytes > fullest.backlogBytes) fullest = stream;
    }
    fullest?.destroy(new WireClosedError("too much was received and not read"));
  }

  // Receiving

  #listen(): void {
    const transport = this.#transport;
    transport.on("data", (chunk: Buffer) => this.#onBytes(chunk));
    transport.on("end", () => {
      this.#finish({
        reason: this.#decoder.isMidFrame ? "the wire was cut inside a frame" : "the peer closed the wire",
        error: undefined,
      });
      transport.end();
    });
    transport.on("error", (error: Error) => this.#finish({ reason: error.message, error }));
    transport.on("close", () => this.#finish({ reason: "the wire was cut", error: undefined }));
    transport.resume();
    if (transport.destroyed || transport.readableEnded)
      process.nextTick(() => this.#finish({ reason: "the wire was cut", error: undefined }));
  }

  #onBytes(chunk: Buffer): void {
    if (this.#end) return;
    this.#heartbeat.onReceive();
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      if (!(error instanceof WireProtocolError)) throw error;
      this.#handleViolation(error);
    }
  }

  #onFrame(header: FrameHeader): void {
    if (header.type === FrameType.ping) return this.#onPing(header);
    if (header.type === FrameType.goaway) return this.#onGoaway(header);
    this.#onStreamFrame(header);
  }

  #onStreamFrame({ type, flags, id, length }: FrameHeader): void {
    if (id === 0) throw new WireProtocolError("stream 0 carries no data");
    const stream = flags & Flag.syn ? this.#acceptStream(id) : this.#getStream(id);
    if (!stream || (flags === 0 && length === 0)) this.#spendToken(this.#idleFrames, "frames that carry nothing");
    if (type === FrameType.data) this.#expectPayload(stream, length, (flags & Flag.fin) !== 0);
    if (!stream) return;
    if (flags & Flag.rst) {
      this.#targetEnds = false;
      stream.receiveReset();
      return;
    }
    if (type === FrameType.window && length > 0) stream.grantCredit(length);
    if (flags & Flag.fin && (type === FrameType.window || length === 0)) stream.receiveEnd();
  }

  #expectPayload(stream: WireStream | undefined, length: number, ends: boolean): void {
    this.#target = stream;
    this.#targetEnds = ends && length > 0;
    if (stream) {
      stream.claimWindow(length);
      return;
    }
    this.#strayBytes -= length;
    if (this.#strayBytes < 0) throw new WireProtocolError("data on a stream that is gone");
  }

  #onPayload(piece: Buffer, last: boolean): void {
    const stream = this.#target;
    if (!stream) return;
    stream.receive(piece);
    if (last && this.#targetEnds) stream.receiveEnd();
  }

  #acceptStream(id: number): WireStream | undefined {
    if (this.#isOurs(id)) throw new WireProtocolError(`the peer opened stream ${id}, an id of ours`);
    if (id <= this.#lastPeerId) throw new WireProtocolError(`the peer opened stream ${id} after ${this.#lastPeerId}`);
    this.#spendToken(this.#opens, "streams opened");
    this.#lastPeerId = id;
    if (this.#peerStreams >= this.#limits.maxStreams) {
      this.#refuseStream(id);
      return undefined;
    }
    const stream = new WireStream(this, id, false);
    this.#streams.set(id, stream);
    this.#peerStreams++;
    this.#onStream(stream);
    return stream;
  }

  #refuseStream(id: number): void {
    if (!this.#control.addRefusal(id)) throw new WireProtocolError("too many streams opened beyond the limit");
    this.#strayBytes += initialWindowBytes;
    this.#scheduleFlush();
  }

  /**
   * Gets the stream of a frame that opens none. Returns undefined for a stream that is gone, which
   * the peer may not know yet.
   */
  #getStream(id: number): WireStream | undefined {
    const stream = this.#streams.get(id);
    if (stream) return stream;
    const isKnown = this.#isOurs(id) ? id < this.#nextId : id <= this.#lastPeerId;
    if (!isKnown) throw new WireProtocolError(`a frame for stream ${id}, which was never opened`);
    return undefined;
  }

  #isOurs(id: number): boolean {
    return id % 2 === this.#nextId % 2;
  }

  #onPing({ flags, id, length }: FrameHeader): void {
    if (id !== 0) throw new WireProtocolError(`a ping on stream ${id}`);
    if (flags & Flag.syn) {
      this.#spendToken(this.#pings, "pings");
      this.#control.addPong(length);
      this.#scheduleFlush();
      return;
    }
    // Pongs for the heartbeat measure nothing.
    if (!this.#control.resolvePing(length)) this.#spendToken(this.#idleFrames, "frames that carry nothing");
  }

  #onGoaway({ id, length }: FrameHeader): void {
    if (id !== 0) throw new WireProtocolError(`a goaway on stream ${id}`);
    if (this.#isPeerLeaving) this.#spendToken(this.#idleFrames, "frames that carry nothing");
    this.#isPeerLeaving = true;
    if (length === GoawayCode.normal) return;
    const reason =
      length === GoawayCode.protocolError ? "the peer says that this side broke the protocol" : "the peer failed";
    this.destroy(new WireClosedError(reason));
  }

  #spendToken(bucket: TokenBucket, what: string): void {
    if (!bucket.takeToken()) throw new WireProtocolError(`too many ${what}`);
  }

  #handleViolation(error: WireProtocolError): void {
    this.#transport.write(createGoawayFrame(GoawayCode.protocolError));
    this.destroy(error);
  }

  // Sending

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#isWriting || this.#end) return;
    this.#isFlushScheduled = true;
    const runFlush = () => {
      this.#isFlushScheduled = false;
      this.#flush();
    };
    if (++this.#writesInARow < maxConsecutiveWrites) return process.nextTick(runFlush);
    this.#writesInARow = 0;
    setImmediate(runFlush);
  }

  #flush(): void {
    if (this.#isWriting || this.#end) return;
    const writer = this.#writer;
    this.#control.writeTo(writer);
    while (writer.bytes < batchBytes) {
      const stream = this.#ready.shift();
      if (!stream) break;
      if (stream.sendTurn(writer)) this.#ready.push(stream);
      else stream.queued = false;
    }
    if (writer.bytes === 0) return;
    this.#isWriting = true;
    this.#heartbeat.onWrite();
    this.#inFlight = writer.writeTo(this.#transport, (error) => this.#onWritten(error));
  }

  #onWritten(error?: Error | null): void {
    const callbacks = this.#inFlight;
    this.#inFlight = [];
    this.#isWriting = false;
    for (const callback of callbacks) callback(error);
    if (this.#ready.size > 0 || this.#control.hasFrames) this.#scheduleFlush();
  }

  #onPeerDead(why: "silent" | "stalled"): void {
    const silent = this.#decoder.isMidFrame ? "the peer fell silent inside a frame" : "the peer fell silent";
    this.destroy(new WireClosedError(why === "silent" ? silent : "the peer takes no more bytes"));
  }

  #finish(end: MuxEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.#heartbeat.stop();
    this.#decoder.stop();
    const error = new WireClosedError(`the wire is gone: ${end.reason}`, { cause: end.error });
    for (const stream of this.#streams.values()) stream.terminate(error);
    this.#streams.clear();
    this.#onWritten(error);
    this.#control.rejectPings(error);
    this.#target = undefined;
    this.#settle(end);
  }
}

function createGoawayFrame(code: number): Buffer {
  return encodeFrame({ type: FrameType.goaway, flags: 0, id: 0, length: code });
}
