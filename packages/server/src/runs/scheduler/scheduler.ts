import { sql } from "drizzle-orm";
import type { LeaseKeeper, RunnerWorkers } from "../../runners/index.ts";
import { toArray } from "../../runners/index.ts";
import { isDatabaseUnavailable, schema } from "../../store/index.ts";
import type { RunDeps } from "../shared/deps.ts";
import { countLiveRuns } from "../state/lease.ts";
import { getRunnerKind } from "../work/start/runner-kind.ts";
import { claimQueuedRuns, type ClaimLimits, type ClaimOptions } from "./claim.ts";
import { stopLongestIdleRunner } from "./idle-runs.ts";

const { runners, runs } = schema;

/**
 * Finds runs whose next attempt is due, or that another server could not start, within this time.
 */
const queuePollIntervalMs = 5_000;
/** Finds changes without a notification within this time. */
const safetyPollIntervalMs = 60_000;
const retryDelayMs = 1_000;

export interface SchedulerOptions {
  readonly leases: LeaseKeeper;
  readonly workers: RunnerWorkers;
  readonly limits: ClaimLimits;
  /** Properties of new runners. */
  readonly fresh: ClaimOptions["fresh"];
}

/** Assigns slots to waiting runs, and periodically pokes the workers of leased runners. */
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
      this.#runLoop("queue", queuePollIntervalMs, () => this.#claimRuns()),
      this.#runLoop("safety look", safetyPollIntervalMs, () => this.#pokeChangedRunners()),
    ];
  }

  /** Waits until no run is live and every runner is stopped. */
  async waitUntilIdle(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && ((await countLiveRuns(this.#deps.db)) > 0 || this.#options.workers.count > 0))
      await this.#deps.wakeup.sleep("settled", idlePollIntervalMs, signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops);
  }

  async #claimRuns(): Promise<void> {
    const { leases, workers, limits, fresh } = this.#options;
    const { background, backend, wakeup, pool } = this.#deps;
    const { serverId, place } = leases;
    const { maxDiskBytes } = backend;
    const findKind: ClaimOptions["findKind"] = (run) => getRunnerKind(this.#deps, run);
    const options = { ...limits, fresh, server_id: serverId, place, pool, maxDiskBytes, findKind };
    const { claimed, needsRunner } = await claimQueuedRuns(background, options);
    for (const { lease, task_id } of claimed) {
      workers.begin(leases.hold(lease));
      wakeup.poke(task_id);
    }
    if (needsRunner) {
      const stoppedTaskId = await stopLongestIdleRunner(this.#deps, serverId);
      if (stoppedTaskId) wakeup.poke(stoppedTaskId);
    }
    this.heartbeat = new Date();
  }

  /**
   * Finds, in one statement for all leased runners, rows that changed since the last check: their
   * workers may have missed the notification.
   */
  async #pokeChangedRunners(): Promise<void> {
    const ids = this.#options.leases.tenures.map(({ runnerId }) => runnerId);
    if (ids.length === 0) return;
    const recent = sql`now() - make_interval(secs => ${(2 * safetyPollIntervalMs) / 1000})`;
    const changedRows = await this.#deps.background
      .select({ task_id: runs.task_id, runner_id: runners.id })
      .from(runners)
      .leftJoin(runs, sql`${runs.runner_id} = ${runners.id} and ${runs.updated_at} > ${recent}`)
      .where(
        sql`${runners.id} = any(${toArray(ids)}::uuid[]) and (${runs.id} is not null or ${runners.updated_at} > ${recent})`,
      );
    for (const { task_id, runner_id } of changedRows) {
      if (task_id) this.#deps.wakeup.poke(task_id);
      this.#deps.wakeup.poke(runner_id);
    }
  }

  async #runLoop(name: string, everyMs: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let waitMs = everyMs;
      try {
        await work();
      } catch (error) {
        if (signal.aborted) return;
        waitMs = retryDelayMs;
        if (isDatabaseUnavailable(error))
          this.#deps.logger.warn({ loop: name }, "the database is not available; retrying");
        else this.#deps.logger.error({ error, loop: name }, "scheduler loop failed; retrying");
      }
      await this.#deps.wakeup.sleep(name, waitMs, signal);
    }
  }
}

const idlePollIntervalMs = 50;
