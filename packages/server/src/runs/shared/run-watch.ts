import { desc, eq } from "drizzle-orm";
import type { RunnerRow, Tenure } from "../../runners/index.ts";
import { maxTimerMs } from "../../std/timer.ts";
import { type Database, isDatabaseUnavailable, schema, type Wakeup } from "../../store/index.ts";
import type { RunRow } from "../state/lease.ts";
import { liveRunStatuses } from "../state/states.ts";
import type { Alarm } from "./alarm.ts";

const { runners, runs } = schema;

/** The desired state of a runner and of its newest run. */
export interface RunnerView {
  readonly runner: RunnerRow;
  readonly run: RunRow;
  /** Whether the run is live: it has begun, or it has its slot to begin with. */
  readonly isLive: boolean;
}

/** A step ended because the desired state changed. */
export class InterruptedError extends Error {
  override readonly name = "Interrupted";
}

export interface RunWatchOptions {
  readonly db: Database;
  readonly wakeup: Wakeup;
  readonly tenure: Tenure;
  readonly taskId: string;
  /** Rung after each refresh. */
  readonly alarms: readonly Alarm[];
}

const retryDelayMs = 500;

/**
 * Tracks the desired state, so that steps can end as soon as it changes. The watch queries the
 * database only when it is woken.
 */
export class RunWatch {
  readonly #options: RunWatchOptions;
  #view: RunnerView | undefined;
  #stopController = new AbortController();
  /** The run whose stop has ended its steps. */
  #stoppedRunId: string | undefined;

  constructor(options: RunWatchOptions) {
    this.#options = options;
  }

  get view(): RunnerView {
    if (!this.#view) throw new Error("The run has not been read yet.");
    return this.#view;
  }

  /** Aborted when the run is to stop or its runner is to be destroyed. */
  get stopSignal(): AbortSignal {
    return this.#stopController.signal;
  }

  async refresh(): Promise<RunnerView> {
    const { db, tenure } = this.#options;
    const [row] = await db
      .select({ runner: runners, run: runs })
      .from(runners)
      .innerJoin(runs, eq(runs.runner_id, runners.id))
      .where(eq(runners.id, tenure.runnerId))
      .orderBy(desc(runs.created_at))
      .limit(1);
    if (row) this.#view = { ...row, isLive: isUnderWay(row.run) };
    else this.#view = toDestroyedView(this.#view);
    this.#updateStopSignal(this.#view);
    for (const alarm of this.#options.alarms) alarm.ring();
    return this.#view;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { wakeup, taskId } = this.#options;
    while (!signal.aborted) {
      await wakeup.sleep(taskId, maxTimerMs, signal);
      if (signal.aborted) return;
      try {
        await this.refresh();
      } catch (error) {
        if (!isDatabaseUnavailable(error)) return;
        await wakeup.sleep(`retry:${taskId}`, retryDelayMs, signal);
        wakeup.poke(taskId);
      }
    }
  }

  /** Resets the signal when a later run in the same runner begins. */
  #updateStopSignal({ run, runner, isLive }: RunnerView): void {
    if (runner.desired === "DESTROYED")
      return this.#stopController.abort(new InterruptedError("The runner is no longer needed."));
    if (isLive && run.desired === "STOP") {
      this.#stoppedRunId = run.id;
      return this.#stopController.abort(new InterruptedError("The run was stopped."));
    }
    if (this.#stopController.signal.aborted && this.#stoppedRunId !== run.id)
      this.#stopController = new AbortController();
  }
}

const isUnderWay = ({ status, slot }: RunRow): boolean =>
  liveRunStatuses.some((live) => live === status) && (status !== "PENDING" || slot);

/** A deleted task takes its runner's runs with it, so the runner is no longer needed. */
function toDestroyedView(view: RunnerView | undefined): RunnerView {
  if (!view) throw new InterruptedError("The runner's task no longer exists.");
  return { ...view, isLive: false, runner: { ...view.runner, desired: "DESTROYED" } };
}
