import type { LeaseKeeper, Tenure } from "../leases/index.ts";
import type { WarmPool } from "../pool/index.ts";
import { RunnerWorker, type RunnerWorkerOptions } from "./runner-worker.ts";

export interface RunnerWorkersOptions extends RunnerWorkerOptions {
  readonly leases: LeaseKeeper;
  readonly pool: Pick<WarmPool, "adopt">;
}

/** The workers of this process, one for each leased runner that does not wait in the pool. */
export class RunnerWorkers {
  readonly #options: RunnerWorkersOptions;
  readonly #working = new Map<Tenure, Promise<void>>();

  constructor(options: RunnerWorkersOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#working.size;
  }

  /** Starts the right work for a runner whose lease was adopted. */
  adopt(tenure: Tenure): void {
    void this.#startAdopted(tenure).catch((error: unknown) => {
      this.#options.logger.warn({ runner_id: tenure.runnerId, error }, "could not read an adopted runner");
      void tenure.end(retryDelayMs);
    });
  }

  /** Starts the worker of a runner for a task or a person; wakes a worker that already runs. */
  begin(tenure: Tenure): void {
    if (this.#working.has(tenure)) return this.#options.poke(tenure.runnerId);
    const working = new RunnerWorker(this.#options, tenure)
      .run()
      .catch((error: unknown) => {
        this.#options.logger.error({ runner_id: tenure.runnerId, error }, "a runner's worker failed");
        return tenure.end(retryDelayMs);
      })
      .finally(() => this.#working.delete(tenure));
    this.#working.set(tenure, working);
  }

  /** Resolves when every worker has ended, after their tenures have ended. */
  async waitForAll(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working.values());
  }

  async #startAdopted(tenure: Tenure): Promise<void> {
    const runner = await this.#options.runners.get(tenure.runnerId);
    if (!runner) return tenure.end();
    if (runner.pool_key === null) this.begin(tenure);
    else this.#options.pool.adopt();
  }
}

const retryDelayMs = 5_000;
