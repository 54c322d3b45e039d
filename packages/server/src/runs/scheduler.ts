import { sql } from "drizzle-orm";
import type { LeaseKeeper, RunnerWorkers } from "../runners/index.ts";
import { toArray } from "../runners/index.ts";
import { isDatabaseAway, schema } from "../store/index.ts";
import { claimQueued, type ClaimLimits } from "./claim.ts";
import type { RunDeps } from "./deps.ts";
import { restLongestIdle } from "./idle-runs.ts";
import { findKind } from "./kind.ts";
import { countLive } from "./lease.ts";

const { runners, runs } = schema;

/** Runs whose next attempt is due, or that another server could not begin, are seen after this. */
const queueLookMs = 5_000;
/** A change that nobody announced is seen after this. */
const safetyLookMs = 60_000;
const retryMs = 1_000;

export interface SchedulerOptions {
  readonly leases: LeaseKeeper;
  readonly workers: RunnerWorkers;
  readonly limits: ClaimLimits;
  /** What new runners are. */
  readonly fresh: Parameters<typeof claimQueued>[1]["fresh"];
}

/** Gives slots to the runs that wait for one, and has the workers of leased runners look now and then. */
export class Scheduler {
  readonly #deps: RunDeps;
  readonly #options: SchedulerOptions;
  readonly #stopping = new AbortController();
  #loops: Promise<void>[] = [];
  readonly started = new Date();
  heartbeat = new Date();

  constructor(deps: RunDeps, options: SchedulerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get active(): number {
    return this.#options.workers.count;
  }

  start(): void {
    this.#loops = [
      this.#loop("queue", queueLookMs, () => this.#claim()),
      this.#loop("safety look", safetyLookMs, () => this.#pokeChanged()),
    ];
  }

  /** Waits until no run is at work any more and every runner is at rest. */
  async settled(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && ((await countLive(this.#deps.db)) > 0 || this.#options.workers.count > 0))
      await this.#deps.wakeup.sleep("settled", settleLookMs, signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops);
  }

  async #claim(): Promise<void> {
    const { leases, workers, limits, fresh } = this.#options;
    const { background, wakeup, pool } = this.#deps;
    const { serverId: server_id, place } = leases;
    const findRunKind = (run: { agent_type: string; organization_id: string }) => findKind(this.#deps, run);
    const options = { ...limits, fresh, server_id, place, pool, findKind: findRunKind };
    const { claimed, needsRunner } = await claimQueued(background, options);
    for (const { lease, task_id } of claimed) {
      workers.begin(leases.hold(lease));
      wakeup.poke(task_id);
    }
    if (needsRunner) {
      const rested = await restLongestIdle(this.#deps, server_id);
      if (rested) wakeup.poke(rested);
    }
    this.heartbeat = new Date();
  }

  /** One statement for all leased runners: whose rows changed since the last look, and may not have been told. */
  async #pokeChanged(): Promise<void> {
    const ids = this.#options.leases.held.map(({ runnerId }) => runnerId);
    if (ids.length === 0) return;
    const recent = sql`now() - make_interval(secs => ${(2 * safetyLookMs) / 1000})`;
    const changed = await this.#deps.background
      .select({ task_id: runs.task_id, runner_id: runners.id })
      .from(runners)
      .leftJoin(runs, sql`${runs.runner_id} = ${runners.id} and ${runs.updated_at} > ${recent}`)
      .where(
        sql`${runners.id} = any(${toArray(ids)}::uuid[]) and (${runs.id} is not null or ${runners.updated_at} > ${recent})`,
      );
    for (const { task_id, runner_id } of changed) {
      if (task_id) this.#deps.wakeup.poke(task_id);
      this.#deps.wakeup.poke(runner_id);
    }
  }

  async #loop(name: string, everyMs: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let waitMs = everyMs;
      try {
        await work();
      } catch (error) {
        if (signal.aborted) return;
        waitMs = retryMs;
        if (isDatabaseAway(error)) this.#deps.logger.warn({ loop: name }, "the database is not available; retrying");
        else this.#deps.logger.error({ error, loop: name }, "scheduler loop failed; retrying");
      }
      await this.#deps.wakeup.sleep(name, waitMs, signal);
    }
  }
}

const settleLookMs = 50;
