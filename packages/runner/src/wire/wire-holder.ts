import type { Duplex } from "node:stream";
import { acceptEncrypted, Mux, offerWire, type WireStream } from "@wharf/contract/wire";
import { Notifier } from "../support/notifier.ts";

export interface WireHolderOptions {
  readonly key: string;
  readonly runnerId: string;
  /** The highest epoch that an earlier daemon has seen. */
  readonly lastEpoch?: number;
  /** Keeps a higher epoch for the next daemon. */
  readonly onEpoch?: (epoch: number) => Promise<void>;
  /** Takes what the server opens. */
  readonly onStream: (stream: WireStream) => void;
}

/**
 * The one wire there may be, however its byte stream came about.
 *
 * *absent*: there is none. *offered*: a byte stream came and the two ends prove who they are; a wire that is held is not
 * touched by it. *held*: streams go both ways. A server that has proved itself under the same epoch or a higher one
 * takes the place of the one before, whose wire is then cut. A wire on which the server falls silent is noticed by the mux.
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

  /** Aborted when the daemon ends. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /** The wire, as soon as there is one other than `except`; rejects with the signal's reason when that comes first. */
  async waitForMux(signal: AbortSignal, except?: Mux): Promise<Mux> {
    const combinedSignal = AbortSignal.any([signal, this.#stop.signal]);
    for (;;) {
      combinedSignal.throwIfAborted();
      const mux = this.#mux;
      if (mux && mux !== except && !mux.ended) return mux;
      await this.#muxArrived.wait(combinedSignal);
    }
  }

  /** Makes the byte stream the wire, and returns it once both ends have proved themselves. Fails where they do not. */
  async acceptWire(duplex: Duplex): Promise<Mux> {
    const { key, runnerId, onStream, onEpoch } = this.#options;
    const { signal } = this.#stop;
    const { epoch } = await offerWire(duplex, { key, runnerId, lastEpoch: this.#lastEpoch, signal });
    const isHigher = epoch > this.#lastEpoch;
    // Set before it is on disk: the next server's offer is judged by it at once.
    this.#lastEpoch = Math.max(epoch, this.#lastEpoch);
    if (isHigher) await onEpoch?.(epoch);
    // Another may have come with a higher one meanwhile.
    if (epoch < this.#lastEpoch) {
      duplex.destroy();
      throw new Error("a server with a later lease was quicker");
    }
    const mux = new Mux(duplex, { side: "client", peer: "server", onStream });
    const previousMux = this.#mux;
    this.#mux = mux;
    previousMux?.destroy(new Error("another wire took its place"));
    if (signal.aborted) mux.close("the daemon ends");
    this.#muxArrived.notify();
    return mux;
  }

  /** The same for a byte stream that came over a network. */
  async acceptEncryptedWire(duplex: Duplex): Promise<Mux> {
    const { key, runnerId } = this.#options;
    return this.acceptWire(await acceptEncrypted(duplex, { key, runnerId, signal: this.#stop.signal }));
  }

  stop(): void {
    this.#stop.abort(new Error("the daemon ends"));
    this.#mux?.close("the daemon ends");
  }
}
