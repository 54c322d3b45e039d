import { WharfError } from "@wharf/contract";
import type { Runners } from "../runners.ts";
import { createUnusableError } from "../workers/runner-worker.ts";

/** Finds changes of a runner without a notification within this time. */
const pollIntervalMs = 1_000;

export interface ReadyRunnerSources {
  readonly runners: Pick<Runners, "get">;
  /** Ends when the runner changes, after `ms`, or when the signal aborts. */
  readonly sleep: (runnerId: string, ms: number, signal: AbortSignal) => Promise<void>;
}

/** Resolves when the runner is ready; rejects with the reason if it never will be. */
export async function waitUntilReady(
  { runners, sleep }: ReadyRunnerSources,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const runner = await runners.get(id);
    if (!runner) throw new WharfError("runner_not_found", { id });
    if (runner.state === "ERROR") throw createUnusableError(runner);
    if (runner.desired !== "READY")
      throw new WharfError("runner_not_running", { runner_id: id, state: runner.desired });
    if (runner.state === "READY") return;
    signal.throwIfAborted();
    await sleep(id, pollIntervalMs, signal);
  }
}
