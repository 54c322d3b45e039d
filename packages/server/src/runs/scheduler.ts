import { isDatabaseAway } from "../store/index.ts";
import type { RunDeps } from "./deps.ts";
import { RunDriver } from "./driver.ts";
import { adoptRuns, claimQueued, countLive, type Lease, leaseRenewal, renewLeases } from "./lease.ts";
import { forwardPushes } from "./pushes.ts";
import { reconcileRunners } from "./reconciler.ts";

const idleTick = 1_000; // ms
const reconcileEvery = 5_000; // ms

export interface SchedulerOptions {
  /** Names this server among others on the database; the same after a restart, so that it takes its own runs up at once. */
  readonly owner: string;
  /** Runs that may be at work at once. */
  readonly capacity: number;
}

/**
 * Finds runs to drive: new ones when a slot is free, and those whose driver is gone. It also keeps their leases, and
 * runs the loops that carry branches to their remotes and runners to their wished state.
 */
export class Scheduler {
  readonly #deps: RunDeps;
  readonly #options: SchedulerOptions;
  readonly #stopping = new AbortController();
  readonly #drivers = new Map<string, { done: Promise<void>; lost: AbortController }>();
  #loops: Promise<void>[] = [];
  readonly started = new Date();
  heartbeat = new Date();

  constructor(deps: RunDeps, options: SchedulerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get active(): number {
    return this.#drivers.size;
  }

  start(): void {
    const { signal } = this.#stopping;
    this.#loops = [
      this.#loop("queue", idleTick, async () => {
        for (const lease of await adoptRuns(this.#deps.db, this.#options.owner, [...this.#drivers.keys()]))
          this.#drive(lease);
        const { leases, resumed } = await claimQueued(this.#deps.db, this.#options.owner, this.#options.capacity);
        for (const lease of leases) this.#drive(lease);
        for (const runId of resumed) this.#deps.wakeup.poke(runId);
        this.heartbeat = new Date();
      }),
      this.#loop("leases", leaseRenewal, () => this.#renew()),
      this.#loop("pushes", idleTick, () => forwardPushes(this.#deps, signal)),
      this.#loop("reconciler", reconcileEvery, () => reconcileRunners(this.#deps)),
    ];
  }

  /** Waits until no run is at work any more and no runner's processes are left that nobody wants. */
  async settled(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await countLive(this.#deps.db)) > 0)
      await this.#deps.wakeup.sleep("settled", 50, signal);
    await reconcileRunners(this.#deps);
  }

  /** Lets go of every run where it stands; runners stay at work, and the next server takes them up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops);
    await Promise.all([...this.#drivers.values()].map((driver) => driver.done));
  }

  async #loop(name: string, every: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (signal.aborted) return;
        if (isDatabaseAway(error)) this.#deps.logger.warn({ loop: name }, "the database is away");
        else this.#deps.logger.error({ error, loop: name }, "a loop of the scheduler failed and goes on");
      }
      await this.#deps.wakeup.sleep(name, every, signal);
    }
  }

  #drive(lease: Lease): void {
    const lost = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, lost.signal]);
    const done = new RunDriver(this.#deps, lease)
      .drive(signal)
      .catch((error: unknown) => this.#deps.logger.error({ error, run_id: lease.run_id }, "a run's driver failed"))
      .finally(() => {
        if (this.#drivers.get(lease.run_id)?.lost === lost) this.#drivers.delete(lease.run_id);
        this.#deps.wakeup.poke("queue");
        this.#deps.wakeup.poke("reconciler");
      });
    this.#drivers.get(lease.run_id)?.lost.abort();
    this.#drivers.set(lease.run_id, { done, lost });
  }

  async #renew(): Promise<void> {
    const held = await renewLeases(this.#deps.db, this.#options.owner, [...this.#drivers.keys()]);
    for (const [id, driver] of this.#drivers) if (!held.has(id)) driver.lost.abort();
  }
}
