import { WharfError } from "@wharf/contract";
import { WireListener } from "./wire-listener.ts";

/** The sockets this process listens on for its runners' daemons, by runner. */
export class WireListeners {
  readonly #listeners = new Map<string, Promise<WireListener>>();
  readonly #mode: number;

  /** `mode`: who may connect; see WireListener. */
  constructor({ mode = 0o600 } = {}) {
    this.#mode = mode;
  }

  /** The runner's socket in this folder, opened where it is not yet. */
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
      new WharfError("runner_unavailable", { runner_id: id, reason: "the server ends" });
    await Promise.all([...this.#listeners.keys()].map((id) => this.close(id, createShutdownError(id))));
  }
}
