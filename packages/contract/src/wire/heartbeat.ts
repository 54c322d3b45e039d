import type { MuxKeepalive } from "./limits.ts";

/** The operations of a wire that a heartbeat needs. */
export interface HeartbeatHost {
  ping(): void;
  /** Whether a write is in progress. */
  isWriting(): boolean;
  onDead(why: "silent" | "stalled"): void;
}

/**
 * Detects a peer that sends nothing or accepts nothing. The heartbeat fires twice in each `pingMs`
 * and counts beats instead of reading the clock: a process that was itself suspended beats late,
 * finds the data that arrived meanwhile, and does not mistake its own pause for the peer's silence.
 */
export class Heartbeat {
  readonly #keepalive: MuxKeepalive;
  readonly #host: HeartbeatHost;
  readonly #timer: NodeJS.Timeout;
  #beats = 0;
  #quietBeats = 0;
  #stalledBeats = 0;

  constructor(keepalive: MuxKeepalive, host: HeartbeatHost) {
    this.#keepalive = keepalive;
    this.#host = host;
    this.#timer = setInterval(() => this.#beat(), keepalive.pingMs / 2).unref();
  }

  /** Records that data arrived. */
  onReceive(): void {
    this.#quietBeats = 0;
  }

  /** Records that a write began. */
  onWrite(): void {
    this.#stalledBeats = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const { pingMs, silenceMs, stallMs } = this.#keepalive;
    const beatMs = pingMs / 2;
    if (++this.#quietBeats * beatMs > silenceMs) return this.#host.onDead("silent");
    if (this.#host.isWriting() && ++this.#stalledBeats * beatMs > stallMs) return this.#host.onDead("stalled");
    if (++this.#beats % 2 === 0) this.#host.ping();
  }
}
