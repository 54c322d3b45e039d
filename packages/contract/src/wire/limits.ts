/** The rate at which a peer may do something. */
export interface Rate {
  /** How many events are allowed at once. */
  readonly burst: number;
  /** How many more events are allowed each second. */
  readonly perSecond: number;
}

/**
 * The state and the work that a peer may cause on this side. Exceeding a limit drops the wire,
 * except where noted.
 */
export interface MuxLimits {
  /** Streams that the peer may have open at once; further streams are refused one by one. */
  readonly maxStreams: number;
  /** Payload of one data frame. */
  readonly maxFrameBytes: number;
  /**
   * Unread received bytes of all streams together; beyond this limit the fullest stream is reset.
   */
  readonly maxBufferedBytes: number;
  readonly opens: Rate;
  readonly pings: Rate;
  /** Frames without content, or for a stream that is gone. */
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
  /** The interval between this side's pings. */
  readonly pingMs: number;
  /**
   * A wire that receives nothing for this long is dead. Detection may take up to half a `pingMs`
   * longer.
   */
  readonly silenceMs: number;
  /** A peer that accepts no byte for this long is dropped. */
  readonly stallMs: number;
}

/**
 * A single large request may block a peer for seconds, together with all its wires. Dropping these
 * wires then would block the peer again with reconnects. After five unanswered pings, the other end
 * of a wire is gone.
 */
export const defaultKeepalive: MuxKeepalive = { pingMs: 3_000, silenceMs: 15_000, stallMs: 60_000 };
