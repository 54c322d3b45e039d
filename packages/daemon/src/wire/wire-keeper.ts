import type { WireConfig } from "@wharf/contract";
import type { Mux } from "@wharf/contract/wire";
import { maintainConnection } from "./wire-connector.ts";
import { WireHolder, type WireHolderOptions } from "./wire-holder.ts";
import { WireListener } from "./wire-listener.ts";

/**
 * Keeps a wire to the server for as long as the daemon lives, by connecting or by listening. Every
 * later wire must have at least the highest epoch seen, so a server that lost its lease is refused.
 */
export class WireKeeper implements AsyncDisposable {
  readonly #holder: WireHolder;
  readonly #waitForStop: () => Promise<void>;

  private constructor(holder: WireHolder, waitForStop: () => Promise<void>) {
    this.#holder = holder;
    this.#waitForStop = waitForStop;
  }

  /** Rejects if the daemon has to listen and cannot: no server could ever reach it. */
  static async open(config: WireConfig, options: WireHolderOptions): Promise<WireKeeper> {
    const holder = new WireHolder(options);
    if (config.by === "connect") {
      const running = maintainConnection(config.path, holder);
      return new WireKeeper(holder, () => running);
    }
    const listener = await WireListener.open(config, holder);
    return new WireKeeper(holder, () => listener.close());
  }

  /**
   * Resolves to a wire other than `except` as soon as there is one; rejects with the signal's
   * reason if the signal aborts first.
   */
  waitForMux(signal: AbortSignal, except?: Mux): Promise<Mux> {
    return this.#holder.waitForMux(signal, except);
  }

  async close(): Promise<void> {
    this.#holder.stop();
    await this.#waitForStop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
