import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Backend, RunnerUsage } from "../../backends/index.ts";
import { waitUnlessAborted } from "../../std/abort.ts";
import { isDatabaseUnavailable } from "../../store/index.ts";
import { createRunnerSample, type LedgerDatabase, recordRunnerSamples, type RunnerSample } from "../../usage/index.ts";
import type { LeaseKeeper, Tenure } from "../leases/index.ts";

/** A runner that dies by itself may have used this much that is not counted. */
const defaultSampleIntervalMs = 300_000;
/** Runners whose samples one statement writes. */
const maxBatch = 100;
/** Maximum number of concurrent measurements. */
const maxConcurrent = 4;
const defaultMeasureTimeoutMs = 10_000;
/** People wait for the end of a turn or of a runner. */
const promptMeasureTimeoutMs = 2_000;

export interface RunnerMeterOptions {
  readonly backend: Pick<Backend, "getUsage">;
  readonly leases: Pick<LeaseKeeper, "tenures" | "serverId">;
  readonly db: LedgerDatabase;
  readonly logger: Logger;
  readonly sampleIntervalMs?: number;
  /** How long a sample waits for the backend. */
  readonly measureTimeoutMs?: number;
}

/**
 * Counts what the runners leased by this server use: every few minutes, at the end of each turn,
 * and before a runner stops. The counters are the backend's, which a crash of this server does not
 * reset; the next sample, of whichever server, counts what was missed. Measurements are no steps of
 * a tenure: a backend that cannot measure is no reason to lose a lease.
 */
export class RunnerMeter {
  readonly #options: RunnerMeterOptions;
  readonly #stopping = new AbortController();
  /** Runners whose backend has not answered, perhaps for longer than the timeout. */
  readonly #measuring = new Set<string>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: RunnerMeterOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#runLoop();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  /** Measures a runner, and counts what it has used since its last sample. */
  async measure(tenure: Tenure): Promise<RunnerUsage> {
    const deadline = AbortSignal.any([tenure.signal, AbortSignal.timeout(promptMeasureTimeoutMs)]);
    const usage = await waitUnlessAborted(this.#options.backend.getUsage(tenure.runnerId), deadline);
    const sample = this.#createSample(tenure, usage);
    if (sample) await this.#recordSamples([sample]);
    return usage;
  }

  /** Samples all runners of this server. */
  async sampleAll(): Promise<void> {
    const { tenures } = this.#options.leases;
    for (let start = 0; start < tenures.length && !this.#stopping.signal.aborted; start += maxBatch) {
      const samples = await this.#sampleBatch(tenures.slice(start, start + maxBatch));
      if (samples.length > 0) await this.#recordSamples(samples);
    }
  }

  async #sampleBatch(tenures: readonly Tenure[]): Promise<RunnerSample[]> {
    const remaining = [...tenures];
    const samples: RunnerSample[] = [];
    const sampleNext = async () => {
      for (let tenure = remaining.pop(); tenure !== undefined; tenure = remaining.pop()) {
        const usage = await this.#tryMeasure(tenure);
        const sample = usage && this.#createSample(tenure, usage);
        if (sample) samples.push(sample);
      }
    };
    await Promise.all(Array.from({ length: maxConcurrent }, sampleNext));
    return samples;
  }

  async #tryMeasure({ runnerId, signal }: Tenure): Promise<RunnerUsage | undefined> {
    if (signal.aborted || this.#measuring.has(runnerId)) return undefined;
    const { backend, logger, measureTimeoutMs = defaultMeasureTimeoutMs } = this.#options;
    this.#measuring.add(runnerId);
    const measurement = backend.getUsage(runnerId).finally(() => this.#measuring.delete(runnerId));
    const deadline = AbortSignal.any([signal, this.#stopping.signal, AbortSignal.timeout(measureTimeoutMs)]);
    return waitUnlessAborted(measurement, deadline).catch((error: unknown) => {
      // The lease also covers runners that are being created.
      logger.debug({ runner_id: runnerId, error }, "could not measure a runner's usage");
      return undefined;
    });
  }

  #createSample({ runnerId, lease }: Tenure, { launch, memoryBytes }: RunnerUsage): RunnerSample | undefined {
    if (!launch) return undefined;
    const sample = createRunnerSample(lease, { launch, memoryBytes });
    if (!sample)
      this.#options.logger.warn({ runner_id: runnerId, launch, memoryBytes }, "a runner's usage is impossible");
    return sample;
  }

  /** What is not written now is in the counters of the next sample. */
  async #recordSamples(samples: readonly RunnerSample[]): Promise<void> {
    const { db, leases, logger } = this.#options;
    await recordRunnerSamples(db, leases.serverId, samples).catch((error: unknown) => {
      if (isDatabaseUnavailable(error)) logger.debug("could not count the usage of runners: no database");
      else logger.error({ error }, "could not count the usage of runners");
    });
  }

  async #runLoop(): Promise<void> {
    const { sampleIntervalMs = defaultSampleIntervalMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(sampleIntervalMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.sampleAll();
    }
  }
}
