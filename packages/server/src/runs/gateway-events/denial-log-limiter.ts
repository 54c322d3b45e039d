import { RecentRuns } from "./recent-runs.ts";

/**
 * Time during which a host is not listed again: an agent that keeps trying does not fill the log.
 */
const quietPeriodMs = 60_000;
/**
 * The agent chooses the names of hosts: a run that keeps trying new ones is listed only up to this
 * limit.
 */
const maxLinesPerRun = 200;

interface RunDenials {
  readonly shownAt: Map<string, number>;
  lines: number;
}

/** Decides which denials of a run appear in its task's log. */
export class DenialLogLimiter {
  readonly #runs = new RecentRuns<RunDenials>(() => ({ shownAt: new Map(), lines: 0 }));

  /**
   * Returns `list` to log a denial, `skip` to ignore it, or `close` to log the last line for this
   * run.
   */
  classifyDenial(runId: string, host: string): "list" | "skip" | "close" {
    const run = this.#runs.get(runId);
    if (run.lines > maxLinesPerRun) return "skip";
    const nowMs = Date.now();
    if (nowMs - (run.shownAt.get(host) ?? Number.NEGATIVE_INFINITY) < quietPeriodMs) return "skip";
    run.shownAt.set(host, nowMs);
    return ++run.lines > maxLinesPerRun ? "close" : "list";
  }
}
