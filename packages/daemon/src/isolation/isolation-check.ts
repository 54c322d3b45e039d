import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonConfig, Health } from "@wharf/contract";
import { isReachable } from "./reachability.ts";
import { type Target, parseTarget } from "./target.ts";

/** Blocked packets get no answer, so a successful check takes this long. */
const answerTimeoutMs = 1_500;
/** The firewall may become active a moment after the runner starts. */
const settleMs = 2_000;
const settleTries = 3;
/** This interval limits how long a removed firewall goes unnoticed. */
const checkIntervalMs = 3 * 60_000;

type IsolationState = Pick<Health, "isolation" | "isolation_check">;

interface IsolationCheckOptions {
  readonly config: Pick<DaemonConfig, "isolation" | "isolation_check">;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly checkIntervalMs?: number;
}

/**
 * Reports the daemon's isolation and checks it.
 *
 *   *under way*: the daemon has just started. *held*: no target answered. *unenforced*: a target
 *   answered, and answered again a moment later.
 *
 * The check repeats every few minutes, so *held* and *unenforced* may replace each other. Nothing
 * waits for the check.
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

  /** Stops the checks without waiting for one in progress. */
  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const reachableTarget = await this.#getReachableTarget();
      if (signal.aborted) return;
      this.#check = reachableTarget
        ? {
            state: "unenforced",
            reason: `${reachableTarget.host}:${reachableTarget.port} is reachable from inside the runner`,
          }
        : { state: "held" };
      await this.#wait(this.#options.checkIntervalMs ?? checkIntervalMs);
    }
  }

  /**
   * Returns a target that answers, and still answers after the firewall had time to become active.
   */
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

/** Resolves to the first target that answers, without waiting for the others. */
function getFirstReachable(targets: readonly Target[]): Promise<Target | undefined> {
  const answering = targets.map(async (target) => {
    if (await isReachable(target, answerTimeoutMs)) return target;
    throw new Error("silent");
  });
  return Promise.any(answering).catch(() => undefined);
}
