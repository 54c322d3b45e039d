import type { FreezeResult } from "./freezer.ts";

/**
 * Whether the agent works, or is kept from it:
 *
 *   running ── begin() ─► draining ── model requests that are out have ended, or the limit ─► freezing ──► frozen
 *      ▲                     │                                                                  │            │
 *      └──────── end() ──────┴──────────────────────────────────────────────────────────────────┴────────────┘
 *
 * draining: no new model request leaves; the agent works on with what it has. freezing: nothing new is started for it, and
 * its processes are stopped. frozen: they stand still, the daemon does not. `end` may come at any moment and undoes what
 * was done up to there.
 */
export class Pause {
  readonly #options: PauseOptions;
  #phase: "running" | "draining" | "freezing" | "frozen" = "running";
  #ending = new AbortController();
  #work: Promise<void> = Promise.resolve();
  #modelsHeld = false;
  #resumed: PromiseWithResolvers<void> | undefined;

  constructor(options: PauseOptions) {
    this.#options = options;
  }

  /** It was asked for, and not yet ended. */
  get isRequested(): boolean {
    return this.#phase !== "running";
  }

  get isFrozen(): boolean {
    return this.#phase === "frozen";
  }

  /** Resolves when the agent is frozen, or when the pause was ended before. */
  begin(): Promise<void> {
    if (this.#phase !== "running") return this.#work;
    this.#phase = "draining";
    this.#ending = new AbortController();
    this.#modelsHeld = true;
    this.#options.models.close();
    this.#work = this.#freeze(this.#ending.signal);
    return this.#work;
  }

  /** Lets the agent go on; its model requests only with `release` where they are to be held. */
  async end({ holdModels = false } = {}): Promise<void> {
    if (this.#phase === "running") return;
    this.#ending.abort();
    await this.#work;
    await this.#options.freezer.thaw();
    this.#phase = "running";
    this.#resumed?.resolve();
    this.#resumed = undefined;
    if (!holdModels) this.releaseModels();
  }

  releaseModels(): void {
    if (this.#phase !== "running" || !this.#modelsHeld) return;
    this.#modelsHeld = false;
    this.#options.models.open();
  }

  /** Resolves at once, or when the freezing is over: nothing is started for an agent that is being frozen. */
  async waitForResume(): Promise<void> {
    while (this.#resumed) await this.#resumed.promise;
  }

  async #freeze(ending: AbortSignal): Promise<void> {
    const { models, freezer, drainMs, recordNotice } = this.#options;
    const remainingRequests = await models.waitForDrain(drainMs, ending);
    if (ending.aborted) return;
    if (remainingRequests > 0)
      recordNotice(
        `${formatCount(remainingRequests, "model request")} did not end within ${drainMs / 1_000} s; the agent is paused in the midst of it.`,
      );
    this.#phase = "freezing";
    this.#resumed = Promise.withResolvers();
    const { processes, moving } = await freezer.freeze(ending);
    if (ending.aborted) return;
    this.#phase = "frozen";
    const stoppingNote = moving === 0 ? "" : `; ${formatCount(moving, "process", "processes")} could not be stopped`;
    recordNotice(`The agent is paused: ${formatCount(processes, "process", "processes")} frozen${stoppingNote}.`);
  }
}

export interface ModelRequests {
  /** From now on none leaves; those that come wait. */
  close(): void;
  open(): void;
  /** Waits for those that are out; answers how many still are when the limit or the signal ended the waiting. */
  waitForDrain(limitMs: number, signal: AbortSignal): Promise<number>;
}

interface PauseOptions {
  readonly models: ModelRequests;
  readonly freezer: { freeze(signal: AbortSignal): Promise<FreezeResult>; thaw(): Promise<void> };
  /** How long model requests that are out are waited for, in ms. */
  readonly drainMs: number;
  /** Writes into the log; never waited for. */
  recordNotice(message: string): void;
}

const formatCount = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
