import type { FreezeResult } from "./freezer.ts";

/**
 * The agent runs, or a pause keeps it from running:
 *
 *   running ── begin() ─► draining ── open requests have ended, or the limit ─► freezing ──► frozen
 *      ▲                     │                                                     │            │
 *      └──────── end() ──────┴─────────────────────────────────────────────────────┴────────────┘
 *
 * draining: no new model request leaves; the agent continues with the responses it has. freezing:
 * nothing new starts for the agent, and its processes are being stopped. frozen: its processes are
 * stopped, the daemon is not. `end` may come at any moment and undoes all steps so far.
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

  /** The pause was requested, and has not ended yet. */
  get isRequested(): boolean {
    return this.#phase !== "running";
  }

  get isFrozen(): boolean {
    return this.#phase === "frozen";
  }

  /** Resolves when the agent is frozen, or when the pause has ended earlier. */
  begin(): Promise<void> {
    if (this.#phase !== "running") return this.#work;
    this.#phase = "draining";
    this.#ending = new AbortController();
    this.#modelsHeld = true;
    this.#options.models.close();
    this.#work = this.#freeze(this.#ending.signal);
    return this.#work;
  }

  /**
   * Lets the agent continue; with `holdModels`, its model requests wait until `releaseModels()`.
   */
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

  /**
   * Resolves at once, or when the freeze is over: nothing starts for an agent that is being frozen.
   */
  async waitForResume(): Promise<void> {
    while (this.#resumed) await this.#resumed.promise;
  }

  async #freeze(ending: AbortSignal): Promise<void> {
    const { models, freezer, drainMs, recordNotice } = this.#options;
    const remainingRequests = await models.waitForDrain(drainMs, ending);
    if (ending.aborted) return;
    if (remainingRequests > 0)
      recordNotice(
        `${formatCount(remainingRequests, "model request")} did not end within ${drainMs / 1_000} s; the agent is paused anyway.`,
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
  /** Holds new model requests from now on; they wait. */
  close(): void;
  open(): void;
  /**
   * Waits for open requests; returns how many remain when the limit or the signal ends the wait.
   */
  waitForDrain(limitMs: number, signal: AbortSignal): Promise<number>;
}

interface PauseOptions {
  readonly models: ModelRequests;
  readonly freezer: { freeze(signal: AbortSignal): Promise<FreezeResult>; thaw(): Promise<void> };
  /** A pause waits this long for open model requests. */
  readonly drainMs: number;
  /** Writes a notice to the log; nothing waits for it. */
  recordNotice(message: string): void;
}

const formatCount = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
