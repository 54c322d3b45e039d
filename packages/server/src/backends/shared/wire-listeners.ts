import { WharfError } from "@wharf/contract";
import { WireListener } from "./wire-listener.ts";

/** The sockets this process listens on for its runners' daemons, by runner. */
export class WireListeners {
  readonly #open = new Map<string, Promise<WireListener>>();
  readonly #mode: number;

  /** `mode`: who may connect; see WireListener. */
  constructor({ mode = 0o600 } = {}) {
    this.#mode = mode;
  }

  /** The runner's socket in this folder, opened where it is not yet. */
  of(id: string, folder: string): Promise<WireListener> {
    const open = this.#open.get(id);
    if (open !== undefined) return open;
    const opening = WireListener.open(folder, { mode: this.#mode });
    this.#open.set(id, opening);
    opening.catch(() => this.#open.delete(id));
    return opening;
  }

  async close(id: string, reason: Error): Promise<void> {
    const listener = this.#open.get(id);
    this.#open.delete(id);
    (await listener?.catch(() => undefined))?.close(reason);
  }

  async closeAll(): Promise<void> {
    const ends = (id: string) => new WharfError("runner_unavailable", { runner_id: id, reason: "the server ends" });
    await Promise.all([...this.#open.keys()].map((id) => this.close(id, ends(id))));
  }
}
