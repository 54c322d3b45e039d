import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonConfig, Health } from "@wharf/contract";
import { isReachable } from "./reachability.ts";
import { type Target, parseTarget } from "./target.ts";

/** What is held back is silent, so this is how long a check takes where all is well. */
const answerTimeoutMs = 1_500;
/** What holds packets back may be put up a moment after the runner was started. */
const settleMs = 2_000;
const settleTries = 3;
/** A wall that is taken away later is noticed after this. */
const checkIntervalMs = 3 * 60_000;

type IsolationState = Pick<Health, "isolation" | "isolation_check">;

interface IsolationCheckOptions {
  readonly config: Pick<DaemonConfig, "isolation" | "isolation_check">;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly checkIntervalMs?: number;
}

/**
 * What the daemon says of its isolation, and how it finds out.
 *
 *   *under way*: it has just started. *held*: nothing answered. *unenforced*: something did, and again after a moment.
 *
 * It is tried again every few minutes, so both of the latter may become the other. Nothing waits for it.
 */
export class IsolationCheck {
  readonly #options: IsolationCheckOptions;
  readonly #targets: readonly Target[];
  readonly #stop = new AbortController();
  #check: Health["isolation_check"];

  constructor(options: IsolationCheckOptions) {
    this.#options = options;
    const { isolation_check } = options.config;
    const targets = isolation_check?.targets.map((text) => parseTarget(text, options.environment)) ?? [];
    this.#targets = targets.filter((target) => target !== undefined);
    if (this.#targets.length === 0) return;
    this.#check = { state: "under_way" };
    void this.#run();
  }

  state(): IsolationState {
    const { isolation } = this.#options.config;
    if (!this.#check) return { isolation };
    const isOpen = this.#check.state === "unenforced";
    return { isolation: isOpen ? "unenforced" : isolation, isolation_check: this.#check };
  }

  /** What is being tried is not waited for. */
  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const open = await this.#getReachableTarget();
      if (signal.aborted) return;
      this.#check = open
        ? { state: "unenforced", reason: `${open.host}:${open.port} answered from inside` }
        : { state: "held" };
      await this.#wait(this.#options.checkIntervalMs ?? checkIntervalMs);
    }
  }

  /** One that answers, and answers again once walls had the time to be put up. */
  async #getReachableTarget(): Promise<Target | undefined> {
    for (let tries = 1; ; tries++) {
      const reachable = await getFirstReachable(this.#targets);
      if (!reachable || tries === settleTries || this.#stop.signal.aborted) return reachable;
      await this.#wait(settleMs / settleTries);
    }
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal, ref: false }).catch(() => undefined);
  }
}

/** The others are not waited for. */
function getFirstReachable(targets: readonly Target[]): Promise<Target | undefined> {
  const answering = targets.map(async (target) => {
    if (await isReachable(target, answerTimeoutMs)) return target;
    throw new Error("silent");
  });
  return Promise.any(answering).catch(() => undefined);
}
