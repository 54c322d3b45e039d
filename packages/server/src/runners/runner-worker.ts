import { tiers, WharfError } from "@wharf/contract";
import type { Logger } from "pino";
import type { Backend } from "../backends/index.ts";
import { isDatabaseUnavailable } from "../store/index.ts";
import type { Keys } from "./keys.ts";
import { LeaseLost, type Tenure } from "./leases/index.ts";
import type { RunnerRow, Runners } from "./runners.ts";
import { toLimits } from "./sizes.ts";

/** What a runner is asked to do besides being there: a task's work, from a run's start to its branch's delivery. */
export type RunnerWork = () => Promise<void>;

export interface RunnerWorkerOptions {
  readonly backend: Backend;
  readonly runners: Runners;
  readonly keys: Keys;
  readonly logger: Logger;
  /** What there is to do in the runner for a task, if anything. */
  readonly findWork: (runner: RunnerRow, tenure: Tenure) => Promise<RunnerWork | undefined>;
  /** Fails what the runner was to do, where that ends in an error again and again. */
  readonly failWork: (runnerId: string, tenure: Tenure) => Promise<void>;
  /** Wakes whoever waits for a change of the runner. */
  readonly poke: (runnerId: string) => void;
  /** Waits for a poke for the runner. */
  readonly sleep: (runnerId: string, ms: number, signal: AbortSignal) => Promise<void>;
}

/** An image may have to be pulled, or a node be added to a cluster. */
const createTimeoutMs = 900_000;
const stopTimeoutMs = 90_000;
const destroyTimeoutMs = 120_000;
/** Before the second and third try to create a runner that a person asked for. */
const createRetryDelaysMs = [500, 2_000] as const;
const firstRetryDelayMs = 500;
const maxRetryDelayMs = 60_000;
/** Work that fails this often in a row, each time with an error of Wharf's own, is given up. */
const maxFailures = 6;
/** The scheduler pokes runners whose rows have changed, so nobody looks on the chance. A timer cannot wait longer. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * Brings one leased runner to what its row wants, until it is at rest:
 *
 *   desired DESTROYED → the backend destroys it → DESTROYED, at rest
 *   work for a task   → done first, whatever else is desired, so that nothing unsaved is stopped
 *   desired STOPPED   → the backend stops it → STOPPED, at rest
 *   desired READY     → created where a person asked for it; one without a purpose is stopped
 *
 * A failure of the backend is retried at growing intervals for as long as the lease holds.
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
        if (signal.aborted || error instanceof LeaseLost) return;
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
      this.#options.logger.error({ runner_id: runnerId, error }, "a runner's work could not be given up");
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
    else await sleep(runnerId, maxTimerMs, signal);
    return "again";
  }

  async #destroyRunner(runner: RunnerRow): Promise<"at rest"> {
    const { backend, runners, poke } = this.#options;
    if (runner.state === "DESTROYED") return "at rest";
    await this.#tenure.runStep({ name: "destroy", maxMs: destroyTimeoutMs }, () => backend.destroy(runner.id));
    await runners.setState(this.#tenure.lease, "DESTROYED");
    poke(runner.id);
    return "at rest";
  }

  /** Where it is wanted again by then, the tenure's end finds out. */
  async #stopRunner(runner: RunnerRow): Promise<"at rest"> {
    const { backend, runners, poke } = this.#options;
    if (runner.state !== "CREATING" && runner.state !== "READY") return "at rest";
    await this.#tenure.runStep({ name: "stop", maxMs: stopTimeoutMs }, () => backend.stop(runner.id));
    await runners.setStopped(this.#tenure.lease);
    poke(runner.id);
    return "at rest";
  }

  /** Creates the runner of a person, with three tries. What it came to is in the row. */
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
        logger.warn({ runner_id: runner.id, error }, "a runner could not be created");
        const delay = createRetryDelaysMs[tries];
        if (delay === undefined) {
          await runners.setState(lease, "ERROR", error instanceof Error ? error.message : String(error));
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

/** What a backend is told of a runner that a person created. */
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

/** Why a runner cannot be used. */
export const createUnusableError = (runner: RunnerRow): WharfError =>
  new WharfError("runner_unavailable", { runner_id: runner.id, reason: runner.error_message ?? "it has failed" });
