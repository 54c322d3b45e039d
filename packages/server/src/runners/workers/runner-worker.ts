import { tiers, WharfError } from "@wharf/contract";
import type { Logger } from "pino";
import type { Backend } from "../../backends/index.ts";
import { getErrorMessage } from "../../std/errors.ts";
import { maxTimerMs } from "../../std/timer.ts";
import { isDatabaseUnavailable } from "../../store/index.ts";
import type { Keys } from "../keys.ts";
import { LeaseLost, type Tenure } from "../leases/index.ts";
import type { RunnerMeter } from "../metering/runner-meter.ts";
import type { RunnerRow, Runners } from "../runners.ts";
import { toLimits } from "../sizes.ts";

/** The work of a runner for a task, from a run's start to its branch's delivery. */
export type RunnerWork = () => Promise<void>;

export interface RunnerWorkerOptions {
  readonly backend: Backend;
  readonly runners: Runners;
  readonly keys: Keys;
  readonly logger: Logger;
  /** Returns the runner's work for a task, if any. */
  readonly findWork: (runner: RunnerRow, tenure: Tenure) => Promise<RunnerWork | undefined>;
  /** Fails the runner's work if it fails repeatedly. */
  readonly failWork: (runnerId: string, tenure: Tenure) => Promise<void>;
  /** Wakes code that waits for a change of the runner. */
  readonly poke: (runnerId: string) => void;
  /** Counts what a runner has used before it ends. */
  readonly meter: Pick<RunnerMeter, "measure">;
  /** Waits for a poke for the runner. */
  readonly sleep: (runnerId: string, ms: number, signal: AbortSignal) => Promise<void>;
}

/** The backend may have to pull an image, or the cluster to add a node. */
const createTimeoutMs = 900_000;
const stopTimeoutMs = 90_000;
const destroyTimeoutMs = 120_000;
/** Delays before the second and third attempt to create a runner that a person requested. */
const createRetryDelaysMs = [500, 2_000] as const;
const firstRetryDelayMs = 500;
const maxRetryDelayMs = 60_000;
/** Consecutive failures after which the work fails, unless the database is unavailable. */
const maxFailures = 6;

/**
 * Brings one leased runner to the desired state of its row, until it is at rest:
 *
 *   desired DESTROYED → the backend destroys it → DESTROYED, at rest
 *   work for a task   → done first, regardless of the desired state, so that unsaved work is kept
 *   desired STOPPED   → the backend stops it → STOPPED, at rest
 *   desired READY     → created if a person requested it; a runner without a purpose is stopped
 *
 * After a failure of the backend the worker retries at growing intervals while it holds the lease.
 */
export class RunnerWorker {
  readonly #options: RunnerWorkerOptions;
  readonly #tenure: Tenure;
  #failures = 0;

  constructor(options: RunnerWorkerOptions, tenure: Tenure) {
    this.#options = options;
    this.#tenure = tenure;
  }

  async run(): Promise<void> {
    const { signal, runnerId } = this.#tenure;
    while (!signal.aborted) {
      try {
        if ((await this.#runOnce()) === "at rest") return await this.#tenure.end();
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        // The lease has passed on, or the task was deleted meanwhile. In the second case the runner
        // still needs a holder, which begins with what the database says now.
        if (error instanceof LeaseLost) return await this.#tenure.end(firstRetryDelayMs);
        const retryMs = Math.min(maxRetryDelayMs, firstRetryDelayMs * 2 ** this.#failures++);
        const about = isDatabaseUnavailable(error) ? {} : { error };
        this.#options.logger.warn(
          { runner_id: runnerId, retry_ms: retryMs, ...about },
          "a runner's work failed; retrying",
        );
        if (this.#failures === maxFailures && !isDatabaseUnavailable(error)) await this.#failWork();
        await this.#options.sleep(runnerId, retryMs, signal);
      }
    }
  }

  async #failWork(): Promise<void> {
    const { runnerId } = this.#tenure;
    await this.#options.failWork(runnerId, this.#tenure).catch((error: unknown) => {
      this.#options.logger.error({ runner_id: runnerId, error }, "could not mark a runner's work as failed");
    });
  }

  async #runOnce(): Promise<"at rest" | "again"> {
    const { runners, findWork, sleep } = this.#options;
    const { runnerId, signal } = this.#tenure;
    const runner = await runners.get(runnerId);
    if (!runner) return "at rest";
    if (runner.desired === "DESTROYED") return this.#destroyRunner(runner);
    const work = await findWork(runner, this.#tenure);
    if (work) {
      await work();
      return "again";
    }
    if (runner.desired === "STOPPED") return this.#stopRunner(runner);
    if (!runner.owner_id) {
      await runners.setDesired(this.#tenure.lease, "STOPPED");
      return "again";
    }
    if (runner.state === "CREATING" || runner.state === "STOPPED") await this.#createWithRetries(runner);
    // The scheduler pokes runners whose rows have changed, so the worker does not poll.
    else await sleep(runnerId, maxTimerMs, signal);
    return "again";
  }

  async #destroyRunner(runner: RunnerRow): Promise<"at rest"> {
    const { backend, runners, poke } = this.#options;
    if (runner.state === "DESTROYED") return "at rest";
    await this.#measureRunner(runner);
    await this.#tenure.runStep({ name: "destroy", maxMs: destroyTimeoutMs }, () => backend.destroy(runner.id));
    await runners.setState(this.#tenure.lease, "DESTROYED");
    poke(runner.id);
    return "at rest";
  }

  /** A runner ends also if the backend cannot measure it. */
  async #measureRunner({ id, state }: RunnerRow): Promise<void> {
    if (state !== "READY") return;
    const { meter, logger } = this.#options;
    await meter.measure(this.#tenure).catch((error: unknown) => {
      if (this.#tenure.signal.aborted) throw error;
      logger.debug({ runner_id: id, error }, "could not measure a runner before its end");
    });
  }

  /** If the runner is needed again by then, the tenure's end notices. */
  async #stopRunner(runner: RunnerRow): Promise<"at rest" | "again"> {
    const { backend, runners, poke } = this.#options;
    if (runner.state !== "CREATING" && runner.state !== "READY") return "at rest";
    await this.#measureRunner(runner);
    try {
      await this.#tenure.runStep({ name: "stop", maxMs: stopTimeoutMs }, () => backend.stop(runner.id));
    } catch (error) {
      if (runner.state !== "CREATING" || !isLost(error)) throw error;
      // The stop came before the runner existed, so there is no disk to keep.
      await runners.setDesired(this.#tenure.lease, "DESTROYED");
      return "again";
    }
    await runners.setStopped(this.#tenure.lease);
    poke(runner.id);
    return "at rest";
  }

  /** Creates a standalone runner, with three attempts. The row stores the result. */
  async #createWithRetries(runner: RunnerRow): Promise<void> {
    const { runners, logger, poke, sleep } = this.#options;
    const { signal, lease } = this.#tenure;
    for (let tries = 0; ; tries++) {
      try {
        await this.#createRunner(runner);
        await runners.setState(lease, "READY");
        return poke(runner.id);
      } catch (error) {
        if (signal.aborted || error instanceof LeaseLost || isDatabaseUnavailable(error)) throw error;
        logger.warn({ runner_id: runner.id, error }, "could not create a runner");
        const delay = createRetryDelaysMs[tries];
        if (delay === undefined) {
          await runners.setState(lease, "ERROR", getErrorMessage(error));
          return poke(runner.id);
        }
        await sleep(runner.id, delay, signal);
        if ((await runners.get(runner.id))?.desired !== "READY") return;
      }
    }
  }

  #createRunner(runner: RunnerRow): Promise<void> {
    const { backend, keys } = this.#options;
    return this.#tenure.runStep({ name: "create", maxMs: createTimeoutMs }, (signal) =>
      backend.create(createRunnerSpec(runner, keys), signal),
    );
  }
}

const isLost = (error: unknown) => error instanceof WharfError && error.code === "runner_lost";

/** Builds the backend's spec of a standalone runner. */
export function createRunnerSpec({ id, programs, organization_id, resources, image }: RunnerRow, keys: Keys) {
  const tenant = organization_id === null ? {} : { tenant: organization_id };
  return {
    id,
    wireKey: keys.getWireKey(id),
    limits: toLimits(resources ?? tiers.small),
    programs,
    ...tenant,
    ...(image !== null && { image }),
  };
}

/** Creates the error for a runner that cannot be used. */
export const createUnusableError = (runner: RunnerRow): WharfError =>
  new WharfError("runner_unavailable", { runner_id: runner.id, reason: runner.error_message ?? "it failed" });
