import type { Logger } from "pino";
import { isDatabaseAway } from "../store/index.ts";

const lookMs = 60_000;
const firstLookMs = 10_000;

export interface MaintenanceOptions {
  /** Does the work unless another server leads. */
  readonly lead: (work: () => Promise<void>) => Promise<unknown>;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
  /** Each takes a small step; what is left is done at the next look. */
  readonly duties: readonly (() => Promise<void>)[];
}

/** What one server does for all of them now and then: it removes what is not needed any more. */
export class Maintenance {
  readonly #options: MaintenanceOptions;
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { lead, sleep, logger } = this.#options;
    const { signal } = this.#stopping;
    await sleep(firstLookMs, signal);
    while (!signal.aborted) {
      await lead(() => this.#doAll()).catch((error: unknown) => {
        if (!isDatabaseAway(error)) logger.error({ error }, "maintenance failed; retrying");
      });
      await sleep(lookMs, signal);
    }
  }

  async #doAll(): Promise<void> {
    for (const duty of this.#options.duties) {
      if (this.#stopping.signal.aborted) return;
      await duty();
    }
  }
}
