import { RecentRuns } from "./recent-runs.ts";

/** The same host is listed once in this time: an agent that asks again and again fills no log. */
const quietPeriodMs = 60_000;
/** The names of hosts are the agent's choice: a run that tries ever new ones is listed so far and no further. */
const maxLinesPerRun = 200;

interface RunDenials {
  readonly shownAt: Map<string, number>;
  lines: number;
}

/** Decides which refusals of a run appear in its task's log. */
export class DenialLogLimiter {
  readonly #runs = new RecentRuns<RunDenials>(() => ({ shownAt: new Map(), lines: 0 }));

  /** `list` a refusal, pass over it with `skip`, or `close` the list: the last line for this run. */
  classifyDenial(runId: string, host: string): "list" | "skip" | "close" {
    const run = this.#runs.get(runId);
    if (run.lines > maxLinesPerRun) return "skip";
    const nowMs = Date.now();
    if (nowMs - (run.shownAt.get(host) ?? Number.NEGATIVE_INFINITY) < quietPeriodMs) return "skip";
    run.shownAt.set(host, nowMs);
    return ++run.lines > maxLinesPerRun ? "close" : "list";
  }
}
