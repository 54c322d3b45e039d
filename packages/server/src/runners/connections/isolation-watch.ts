import { setTimeout as sleep } from "node:timers/promises";
import { daemonApi, type Health, WharfError } from "@wharf/contract";
import type { Lease } from "../leases/index.ts";
import type { Runners } from "../runners.ts";
import type { Link } from "./link.ts";

const pendingPollIntervalMs = 200;
/**
 * If isolation fails while an agent works, Wharf notices after this time plus the daemon's own
 * delay.
 */
const checkIntervalMs = 60_000;

export interface IsolationWatchOptions {
  readonly link: Link;
  readonly lease: Lease;
  readonly rows: Pick<Runners, "setIsolation">;
  /** Whether to refuse a runner whose isolation is ineffective. */
  readonly required: boolean;
  /** Called once for each change that is stored. */
  readonly onChange?: (change: { held: boolean; reason: string }) => Promise<void>;
}

/**
 * Stores the results of a daemon's isolation checks while its link lasts. A daemon without checks
 * is queried once. Results only ever reduce the backend's promise: the row goes from the backend's
 * value to `unenforced` and back, and no further.
 */
export class IsolationWatch {
  /**
   * Resolves when isolation is verified, or at once if it is not required; rejects if verification
   * fails.
   */
  readonly verified: Promise<void>;
  /** Rejects when a verified runner's isolation fails. It never resolves. */
  readonly refused: Promise<never>;
  readonly #options: IsolationWatchOptions;

  constructor(options: IsolationWatchOptions) {
    this.#options = options;
    const verification = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<never>();
    this.verified = options.required ? Promise.race([verification.promise, refused.promise]) : Promise.resolve();
    this.refused = refused.promise;
    // A caller that does not await one of these must not get an unhandled rejection.
    for (const promise of [verification.promise, this.verified, this.refused]) promise.catch(() => undefined);
    void this.#run(verification.resolve).catch((error: unknown) => {
      // Without a link there is nothing to watch, and the link itself reports its end to its users.
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

  #createUnenforcedError(reason = "an address that must not be reachable is reachable"): WharfError {
    return new WharfError("isolation_unenforced", { runner_id: this.#options.lease.runner_id, reason });
  }
}
