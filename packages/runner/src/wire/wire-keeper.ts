import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Mux, offerWire, type WireStream } from "@wharf/contract/wire";
import { Bell } from "../support/bell.ts";

/**
 * Keeps a wire to the server for as long as the daemon lives.
 *
 * *absent*: the socket is tried again and again, with growing pauses. *offered*: connected, the two ends prove who they
 * are. *held*: streams go both ways; a wire on which the server falls silent is noticed by the mux. When it ends, it is
 * absent again. The highest epoch seen is demanded of every later wire, so a server that lost its lease is refused.
 */

const FIRST_PAUSE = 50; // ms
const LAST_PAUSE = 1_000; // ms
/** A wire that held this long is tried again without the pauses of those before it. */
const GOOD_WIRE = 1_000; // ms

export interface WireKeeperOptions {
  socketPath: string;
  key: string;
  runnerId: string;
  /** Takes what the server opens. */
  onStream: (stream: WireStream) => void;
}

export class WireKeeper implements AsyncDisposable {
  readonly #options: WireKeeperOptions;
  readonly #arrived = new Bell();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #lastEpoch = 0;
  #mux: Mux | undefined;

  constructor(options: WireKeeperOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** The wire, as soon as there is one other than `except`; rejects with the signal's reason when that comes first. */
  async mux(signal: AbortSignal, except?: Mux): Promise<Mux> {
    const until = AbortSignal.any([signal, this.#stop.signal]);
    for (;;) {
      until.throwIfAborted();
      const mux = this.#mux;
      if (mux && mux !== except && !mux.ended) return mux;
      await this.#arrived.wait(until);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("the daemon ends"));
    this.#mux?.close("the daemon ends");
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let pause = FIRST_PAUSE; !signal.aborted;) {
      const held = await this.#hold();
      pause = held >= GOOD_WIRE ? FIRST_PAUSE : Math.min(pause * 2, LAST_PAUSE);
      // Half of the pause is chance, so that many runners do not all come at once.
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Tries once, and stays until that wire has ended. For how long it was held, in ms. */
  async #hold(): Promise<number> {
    const { socketPath, key, runnerId, onStream } = this.#options;
    const { signal } = this.#stop;
    const socket = connect(socketPath);
    try {
      await once(socket, "connect", { signal });
      const { epoch } = await offerWire(socket, { key, runnerId, lastEpoch: this.#lastEpoch, signal });
      this.#lastEpoch = epoch;
      const mux = new Mux(socket, { side: "client", peer: "server", onStream });
      this.#mux = mux;
      if (signal.aborted) mux.close("the daemon ends");
      const since = performance.now();
      this.#arrived.ring();
      await mux.closed;
      return performance.now() - since;
    } catch {
      // No server listens, or it is not the one this daemon belongs to: both may change.
      return 0;
    } finally {
      socket.on("error", () => undefined).destroy();
    }
  }
}
