/** What a peer may do within a stretch of time. */
export interface Rate {
  /** How many at once. */
  readonly burst: number;
  /** How many more each second. */
  readonly perSecond: number;
}

/** What a peer may make this side hold or do. Going beyond drops the wire, except where said. */
export interface MuxLimits {
  /** Streams the peer may have open at once; further ones are refused one by one. */
  readonly maxStreams: number;
  /** Payload of one data frame. */
  readonly maxFrameBytes: number;
  /** Received bytes that nobody has read, of all streams together; beyond it the fullest stream is reset. */
  readonly maxBufferedBytes: number;
  readonly opens: Rate;
  readonly pings: Rate;
  /** Frames that carry nothing, or belong to a stream that is gone. */
  readonly idleFrames: Rate;
}

export const defaultLimits: MuxLimits = {
  maxStreams: 1024,
  maxFrameBytes: 256 * 1024,
  maxBufferedBytes: 128 * 1024 * 1024,
  opens: { burst: 4096, perSecond: 1000 },
  pings: { burst: 200, perSecond: 100 },
  idleFrames: { burst: 50_000, perSecond: 10_000 },
};

export interface MuxKeepalive {
  /** How often this side pings. */
  readonly pingMs: number;
  /** A wire on which nothing came for this long is dead. It is noticed up to half a `pingMs` later. */
  readonly silenceMs: number;
  /** A peer that takes no byte for this long is dropped. */
  readonly stallMs: number;
}

/**
 * A peer may be held up for seconds by a single large request, and all its wires with it: to drop them then would make
 * the reconnects the next thing to hold it up. Five pings without an answer are a wire whose other end is gone.
 */
export const defaultKeepalive: MuxKeepalive = { pingMs: 3_000, silenceMs: 15_000, stallMs: 60_000 };
