import type { Duplex } from "node:stream";
import { acceptEncrypted, Mux, offerWire, type WireStream } from "@wharf/contract/wire";
import { Notifier } from "../std/notifier.ts";

export interface WireHolderOptions {
  readonly key: string;
  readonly runnerId: string;
  /** An earlier daemon has seen epochs up to this one. */
  readonly lastEpoch?: number;
  /** Stores a higher epoch for the next daemon. */
  readonly onEpoch?: (epoch: number) => Promise<void>;
  /** Receives the streams that the server opens. */
  readonly onStream: (stream: WireStream) => void;
}

/**
 * Holds at most one wire, for any kind of byte stream.
 *
 * *absent*: there is no wire. *offered*: a byte stream arrived and both ends prove their identity;
 * an existing wire is not affected. *held*: streams flow both ways. A server that has proved its
 * identity under the same or a higher epoch replaces the previous server, whose wire is then cut.
 * The mux notices a wire whose server falls silent.
 */
export class WireHolder {
  readonly #options: WireHolderOptions;
  readonly #muxArrived = new Notifier();
  readonly #stop = new AbortController();
  #lastEpoch: number;
  #mux: Mux | undefined;

  constructor(options: WireHolderOptions) {
    this.#options = options;
    this.#lastEpoch = options.lastEpoch ?? 0;
  }

  /** Aborts when the daemon stops. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Resolves to a wire other than `except` as soon as there is one; rejects with the signal's
   * reason if the signal aborts first.
   */
  async waitForMux(signal: AbortSignal, except?: Mux): Promise<Mux> {
    const combinedSignal = AbortSignal.any([signal, this.#stop.signal]);
    for (;;) {
      combinedSignal.throwIfAborted();
      const mux = this.#mux;
      if (mux && mux !== except && !mux.ended) return mux;
      await this.#muxArrived.wait(combinedSignal);
    }
  }

  /**
   * Turns the byte stream into the wire, and resolves once both ends have proved their identity.
   * Rejects if either fails.
   */
  async acceptWire(duplex: Duplex): Promise<Mux> {
    const { key, runnerId, onStream, onEpoch } = this.#options;
    const { signal } = this.#stop;
    const { epoch } = await offerWire(duplex, { key, runnerId, lastEpoch: this.#lastEpoch, signal });
    const isHigher = epoch > this.#lastEpoch;
    // Set the epoch before it is on disk: the next server's offer must be compared with it
    // immediately.
    this.#lastEpoch = Math.max(epoch, this.#lastEpoch);
    if (isHigher) await onEpoch?.(epoch);
    // Another server may have arrived with a higher epoch meanwhile.
    if (epoch < this.#lastEpoch) {
      duplex.destroy();
      throw new Error("a server with a later lease connected first");
    }
    const mux = new Mux(duplex, { side: "client", peer: "server", onStream });
    const previousMux = this.#mux;
    this.#mux = mux;
    previousMux?.destroy(new Error("another wire replaced it"));
    if (signal.aborted) mux.close("the daemon is stopping");
    this.#muxArrived.notify();
    return mux;
  }

  /** Accepts a byte stream that came over a network. */
  async acceptEncryptedWire(duplex: Duplex): Promise<Mux> {
    const { key, runnerId } = this.#options;
    return this.acceptWire(await acceptEncrypted(duplex, { key, runnerId, signal: this.#stop.signal }));
  }

  stop(): void {
    this.#stop.abort(new Error("the daemon is stopping"));
    this.#mux?.close("the daemon is stopping");
  }
}
