import type { MuxKeepalive } from "./limits.ts";

/** What a heartbeat needs of its wire. */
export interface HeartbeatHost {
  ping(): void;
  /** A write is under way. */
  isWriting(): boolean;
  onDead(why: "silent" | "stalled"): void;
}

/**
 * Notices a peer that says nothing or takes nothing. It beats twice in each `pingMs`, and beats are counted instead of
 * reading the clock: a process that was itself held up beats late, finds what came meanwhile, and does not take its own
 * pause for the peer's silence.
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

  /** Something came. */
  onReceive(): void {
    this.#quietBeats = 0;
  }

  /** A write began. */
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
