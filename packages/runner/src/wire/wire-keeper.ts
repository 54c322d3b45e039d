import type { WireConfig } from "@wharf/contract";
import type { Mux } from "@wharf/contract/wire";
import { keepConnecting } from "./connecting.ts";
import { WireListener } from "./listening.ts";
import { WireHolder, type WireHolderOptions } from "./wire-holder.ts";

/**
 * Keeps a wire to the server for as long as the daemon lives, by connecting or by listening. The highest epoch seen is
 * demanded of every later wire, so a server that lost its lease is refused.
 */
export class WireKeeper implements AsyncDisposable {
  readonly #holder: WireHolder;
  readonly #settled: () => Promise<void>;

  private constructor(holder: WireHolder, settled: () => Promise<void>) {
    this.#holder = holder;
    this.#settled = settled;
  }

  /** Fails where the daemon is to listen and cannot: nobody would ever reach it. */
  static async open(place: WireConfig, options: WireHolderOptions): Promise<WireKeeper> {
    const holder = new WireHolder(options);
    if (place.by === "connect") {
      const running = keepConnecting(place.path, holder);
      return new WireKeeper(holder, () => running);
    }
    const listener = await WireListener.open(place, holder);
    return new WireKeeper(holder, () => listener.close());
  }

  /** The wire, as soon as there is one other than `except`; rejects with the signal's reason when that comes first. */
  mux(signal: AbortSignal, except?: Mux): Promise<Mux> {
    return this.#holder.mux(signal, except);
  }

  async close(): Promise<void> {
    this.#holder.end();
    await this.#settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
