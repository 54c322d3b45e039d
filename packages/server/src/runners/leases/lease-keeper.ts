import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import { type Database, isDatabaseUnavailable } from "../../store/index.ts";
import {
  adoptLeases,
  type Lease,
  releaseLease,
  releaseServerLeases,
  renewalIntervalMs,
  renewLeases,
  releaseIdleLease,
} from "./lease.ts";
import { Tenure } from "./tenure.ts";

/** Maximum number of leases per batch: each starts a worker. */
const maxAdoptedAtOnce = 50;

/** Poked when a lease may be free. */
const wakeName = "leases";

export interface LeaseKeeperOptions {
  /** Separate database connections: a burst of requests must not starve the leases. */
  readonly db: Database;
  readonly serverId: string;
  readonly place: string;
  readonly logger: Logger;
  readonly wakeup: {
    sleep(name: string, ms: number, signal: AbortSignal): Promise<void>;
    poke(name: string): void;
  };
}

/** The leases of this process: renews them, ends the tenures of lost ones, and adopts free ones. */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #tenures = new Map<string, Tenure>();
  readonly #stopping = new AbortController();
  #loop: Promise<unknown> = Promise.resolve();

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  get serverId(): string {
    return this.#options.serverId;
  }

  get place(): string {
    return this.#options.place;
  }

  get tenures(): readonly Tenure[] {
    return [...this.#tenures.values()];
  }

  /** Starts to adopt and renew; `onAdopted` gets each adopted lease. */
  async start(onAdopted: (tenure: Tenure) => void): Promise<void> {
    await releaseServerLeases(this.#options.db, this.serverId);
    // Leases of an earlier process are adopted before any new work begins.
    while ((await this.#adoptBatch(onAdopted)) === maxAdoptedAtOnce);
    this.#loop = Promise.all([this.#renewAll(), this.#adoptAll(onAdopted)]);
  }

  /**
   * Ends all tenures here. The rows still name this server, so that no other begins before its last
   * call has ended.
   */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    for (const tenure of this.tenures) tenure.lose();
  }

  /** Frees the leases, so that the next server need not wait until they expire. */
  async release(): Promise<void> {
    await releaseServerLeases(this.#options.db, this.serverId).catch((error: unknown) =>
      this.#options.logger.debug({ error }, "could not release the leases; they will expire"),
    );
  }

  find(runnerId: string): Tenure | undefined {
    return this.#tenures.get(runnerId);
  }

  /**
   * Begins the tenure of a lease taken by a transaction; returns the existing tenure for the same
   * lease.
   */
  hold(lease: Lease): Tenure {
    const existing = this.#tenures.get(lease.runner_id);
    if (existing && existing.lease.epoch === lease.epoch && !existing.signal.aborted) return existing;
    existing?.lose();
    const tenure = new Tenure(lease, (ended, dueInMs) => this.#releaseTenure(ended, dueInMs));
    this.#tenures.set(lease.runner_id, tenure);
    tenure.signal.addEventListener("abort", () => this.#removeTenure(tenure), { once: true });
    return tenure;
  }

  #removeTenure(tenure: Tenure): void {
    if (this.#tenures.get(tenure.runnerId) === tenure) this.#tenures.delete(tenure.runnerId);
  }

  async #releaseTenure({ lease }: Tenure, dueInMs: number | undefined): Promise<void> {
    const { db, wakeup, logger } = this.#options;
    try {
      if (dueInMs !== undefined) await releaseLease(db, lease, dueInMs);
      else if ((await releaseIdleLease(db, lease)).isDue) wakeup.poke(wakeName);
    } catch (error) {
      // A lease that cannot be released expires by itself.
      logger.debug({ error, runner_id: lease.runner_id }, "could not release a lease");
    }
  }

  #renewAll(): Promise<void> {
    return this.#runLoop("renew leases", renewalIntervalMs, async () => {
      const leases = this.tenures.filter((tenure) => tenure.isResponsive).map(({ lease }) => lease);
      const lostIds = await renewLeases(this.#options.db, this.serverId, leases);
      for (const lease of leases) {
        const tenure = this.#tenures.get(lease.runner_id);
        // A lease that changed during the renewal is a newer one.
        if (lostIds.has(lease.runner_id) && tenure?.lease === lease) tenure.lose();
      }
    });
  }

  #adoptAll(onAdopted: (tenure: Tenure) => void): Promise<void> {
    const { signal } = this.#stopping;
    return this.#runLoop("adopt leases", 0, async () => {
      if ((await this.#adoptBatch(onAdopted)) < maxAdoptedAtOnce)
        await this.#options.wakeup.sleep(wakeName, renewalIntervalMs, signal);
    });
  }

  async #adoptBatch(onAdopted: (tenure: Tenure) => void): Promise<number> {
    const { db, place } = this.#options;
    const heldIds = this.tenures.filter((tenure) => tenure.isResponsive).map(({ runnerId }) => runnerId);
    const leases = await adoptLeases(db, { server_id: this.serverId, place, held: heldIds, limit: maxAdoptedAtOnce });
    for (const lease of leases) onAdopted(this.hold(lease));
    return leases.length;
  }

  async #runLoop(name: string, everyMs: number, work: () => Promise<void>): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await work();
        if (everyMs > 0) await pause(everyMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isDatabaseUnavailable(error)) logger.warn({ loop: name }, "the database is not available; retrying");
        else logger.error({ error, loop: name }, "a loop failed; retrying");
        await pause(retryDelayMs, signal);
      }
    }
  }
}

const retryDelayMs = 1_000;

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, { signal }).catch(() => undefined);
