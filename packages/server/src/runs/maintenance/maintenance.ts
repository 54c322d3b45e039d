import type { Logger } from "pino";
import { isDatabaseUnavailable, type Wakeup } from "../../store/index.ts";

/** Background work in steps, each short and complete in itself. */
export interface MaintenanceJob {
  readonly name: string;
  /** Takes one step; returns whether there may be more to do. */
  step(): Promise<boolean>;
}

const defaultIdleCheckIntervalMs = 60_000;
/**
 * A pause as long as the step follows each step, so that a job never takes more than half of a
 * connection's time.
 */
const maxPauseMs = 200;

export interface MaintenanceDeps {
  readonly wakeup: Wakeup;
  readonly logger: Logger;
  /** Does the work unless another server leads. */
  readonly lead: <T>(work: () => Promise<T>) => Promise<T | undefined>;
  /** How often jobs run without a wakeup. @default 60_000 */
  readonly idleCheckIntervalMs?: number;
  /** The loop's own name, under which other code wakes it. @default `maintenanceWakeupName` */
  readonly wakeupName?: string;
}

/** Takes the steps of jobs, one at a time, until no job has more to do. */
export class Maintenance {
  readonly #jobs: readonly MaintenanceJob[];
  readonly #deps: MaintenanceDeps;
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(jobs: readonly MaintenanceJob[], deps: MaintenanceDeps) {
    this.#jobs = jobs;
    this.#deps = deps;
  }

  start(): void {
    this.#loop = this.#runLoop();
  }

  /** Resolves when the current step is done. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #runLoop(): Promise<void> {
    const { signal } = this.#stopping;
    const { wakeup, idleCheckIntervalMs = defaultIdleCheckIntervalMs, wakeupName = maintenanceWakeupName } = this.#deps;
    while (!signal.aborted) {
      for (const job of this.#jobs) await this.#finishJob(job, signal);
      await wakeup.sleep(wakeupName, idleCheckIntervalMs, signal);
    }
  }

  async #finishJob(job: MaintenanceJob, signal: AbortSignal): Promise<void> {
    try {
      for (let hasMore = true; hasMore && !signal.aborted;) {
        const started = performance.now();
        hasMore = (await this.#deps.lead(() => job.step())) ?? false;
        const pauseMs = Math.min(maxPauseMs, performance.now() - started);
        if (hasMore) await this.#deps.wakeup.sleep(`maintenance:${job.name}`, pauseMs, signal);
      }
    } catch (error) {
      if (isDatabaseUnavailable(error))
        this.#deps.logger.warn({ job: job.name }, "the database is not available; retrying");
      else this.#deps.logger.error({ error, job: job.name }, "a maintenance job failed; retrying");
    }
  }
}

/** Name under which other code wakes the jobs. */
export const maintenanceWakeupName = "maintenance";
