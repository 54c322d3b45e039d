import type { Frozen } from "./freezer.ts";

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
  readonly #parts: PauseParts;
  #phase: "running" | "draining" | "freezing" | "frozen" = "running";
  #ending = new AbortController();
  #work: Promise<void> = Promise.resolve();
  #modelsHeld = false;
  #goesOn: PromiseWithResolvers<void> | undefined;

  constructor(parts: PauseParts) {
    this.#parts = parts;
  }

  /** It was asked for, and not yet ended. */
  get asked(): boolean {
    return this.#phase !== "running";
  }

  get frozen(): boolean {
    return this.#phase === "frozen";
  }

  /** Resolves when the agent is frozen, or when the pause was ended before. */
  begin(): Promise<void> {
    if (this.#phase !== "running") return this.#work;
    this.#phase = "draining";
    this.#ending = new AbortController();
    this.#modelsHeld = true;
    this.#parts.models.close();
    this.#work = this.#freeze(this.#ending.signal);
    return this.#work;
  }

  /** Lets the agent go on; its model requests only with `release` where they are to be held. */
  async end({ holdModels = false } = {}): Promise<void> {
    if (this.#phase === "running") return;
    this.#ending.abort();
    await this.#work;
    await this.#parts.freezer.thaw();
    this.#phase = "running";
    this.#goesOn?.resolve();
    this.#goesOn = undefined;
    if (!holdModels) this.release();
  }

  release(): void {
    if (this.#phase !== "running" || !this.#modelsHeld) return;
    this.#modelsHeld = false;
    this.#parts.models.open();
  }

  /** Resolves at once, or when the freezing is over: nothing is started for an agent that is being frozen. */
  async passed(): Promise<void> {
    while (this.#goesOn) await this.#goesOn.promise;
  }

  async #freeze(ending: AbortSignal): Promise<void> {
    const { models, freezer, drainMs, tell } = this.#parts;
    const left = await models.drained(drainMs, ending);
    if (ending.aborted) return;
    if (left > 0)
      tell(
        `${count(left, "model request")} did not end within ${drainMs / 1_000} s; the agent is paused in the midst of it.`,
      );
    this.#phase = "freezing";
    this.#goesOn = Promise.withResolvers();
    const { processes, moving } = await freezer.freeze(ending);
    if (ending.aborted) return;
    this.#phase = "frozen";
    const still = moving === 0 ? "" : `; ${count(moving, "process", "processes")} could not be stopped`;
    tell(`The agent is paused: ${count(processes, "process", "processes")} frozen${still}.`);
  }
}

export interface ModelRequests {
  /** From now on none leaves; those that come wait. */
  close(): void;
  open(): void;
  /** Waits for those that are out; answers how many still are when the limit or the signal ended the waiting. */
  drained(limitMs: number, signal: AbortSignal): Promise<number>;
}

interface PauseParts {
  readonly models: ModelRequests;
  readonly freezer: { freeze(signal: AbortSignal): Promise<Frozen>; thaw(): Promise<void> };
  /** How long model requests that are out are waited for, in ms. */
  readonly drainMs: number;
  /** Writes into the log; never waited for. */
  tell(message: string): void;
}

const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
