import { WharfError } from "@wharf/contract";
import { WireListener } from "./wire-listener.ts";

/** Holds the sockets on which this process listens for its runners' daemons, by runner. */
export class WireListeners {
  readonly #listeners = new Map<string, Promise<WireListener>>();
  readonly #mode: number;

  /** `mode` sets who may connect; see WireListener. */
  constructor({ mode = 0o600 } = {}) {
    this.#mode = mode;
  }

  /** Returns the runner's listener in this folder, and opens it if needed. */
  getOrOpen(id: string, folder: string): Promise<WireListener> {
    const open = this.#listeners.get(id);
    if (open !== undefined) return open;
    const opening = WireListener.open(folder, { mode: this.#mode });
    this.#listeners.set(id, opening);
    opening.catch(() => this.#listeners.delete(id));
    return opening;
  }

  async close(id: string, reason: Error): Promise<void> {
    const listener = this.#listeners.get(id);
    this.#listeners.delete(id);
    (await listener?.catch(() => undefined))?.close(reason);
  }

  async closeAll(): Promise<void> {
    const createShutdownError = (id: string) =>
      new WharfError("runner_unavailable", { runner_id: id, reason: "the server is stopping" });
    await Promise.all([...this.#listeners.keys()].map((id) => this.close(id, createShutdownError(id))));
  }
}
