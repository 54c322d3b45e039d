import { setTimeout as sleep } from "node:timers/promises";
import { daemonApi, type Health, WharfError } from "@wharf/contract";
import type { Lease } from "./leases/index.ts";
import type { Link } from "./link.ts";
import type { Runners } from "./runners.ts";

const pendingPollIntervalMs = 200;
/** A wall that is taken away while an agent works is noticed after this and what the daemon itself takes. */
const checkIntervalMs = 60_000;

export interface IsolationWatchOptions {
  readonly link: Link;
  readonly lease: Lease;
  readonly rows: Pick<Runners, "setIsolation">;
  /** Whether a runner that is not held in may be worked with. */
  readonly required: boolean;
  /** Told once of each change that was written down. */
  readonly onChange?: (change: { held: boolean; reason: string }) => Promise<void>;
}

/**
 * Writes down what a runner's daemon finds out about its isolation, for as long as its wire lasts. A daemon that has
 * nothing to try is asked once. What it says only ever takes from what the backend promises: the row goes from the
 * backend's word to `unenforced` and back, and no further.
 */
export class IsolationWatch {
  /** Resolves when it is known, where it has to be; rejects where it is known and not good enough. */
  readonly verified: Promise<void>;
  /** Rejects when a runner that was good enough is so no more. It never resolves. */
  readonly refused: Promise<never>;
  readonly #options: IsolationWatchOptions;

  constructor(options: IsolationWatchOptions) {
    this.#options = options;
    const verification = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<never>();
    this.verified = options.required ? Promise.race([verification.promise, refused.promise]) : Promise.resolve();
    this.refused = refused.promise;
    // Whoever does not wait for one of them is not to be ended by it.
    for (const promise of [verification.promise, this.verified, this.refused]) promise.catch(() => undefined);
    void this.#run(verification.resolve).catch((error: unknown) => {
      // Without a wire there is nothing to watch, and whoever uses it hears of that from the wire.
      if (!options.link.signal.aborted) refused.reject(error);
      else verification.reject(options.link.signal.reason);
    });
  }

  async #run(onVerified: () => void): Promise<void> {
    const { link, required } = this.#options;
    while (!link.signal.aborted) {
      const { isolation_check: check } = await link.client.call(daemonApi.health, {}, { signal: link.signal });
      if (check?.state !== "under_way") {
        await this.#setIsolation(check);
        if (required && check?.state === "unenforced") throw this.#createUnenforcedError(check.reason);
        onVerified();
      }
      if (!check) return;
      await sleep(check.state === "under_way" ? pendingPollIntervalMs : checkIntervalMs, undefined, {
        signal: link.signal,
        ref: false,
      });
    }
  }

  async #setIsolation(check: Health["isolation_check"]): Promise<void> {
    const { rows, lease, onChange } = this.#options;
    const isEnforced = check?.state !== "unenforced";
    if (!(await rows.setIsolation(lease, isEnforced))) return;
    await onChange?.({ held: isEnforced, reason: check?.reason ?? "" });
  }

  #createUnenforcedError(reason = "something that must not be reachable answers"): WharfError {
    return new WharfError("isolation_unenforced", { runner_id: this.#options.lease.runner_id, reason });
  }
}
