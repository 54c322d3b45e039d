import type { UpstreamFault } from "../../gateway/index.ts";
import { RecentRuns } from "./recent-runs.ts";

/**
 * A fault of the same kind is shown again after this time, up to the maximum number of lines per
 * run.
 */
const quietPeriodMs = 10 * 60_000;
const maxLinesPerRun = 30;

interface RunModelHealth {
  open: number;
  answeredAt: number;
  failed: { readonly at: number; readonly fault: UpstreamFault } | undefined;
  readonly shownAt: Map<string, number>;
  /** A fault was shown and no answer has succeeded since. */
  isShownFailing: boolean;
  lines: number;
}

/**
 * The state of the models' servers, run by run: whether the last request for an answer succeeded,
 * and which faults a person has seen. Agents retry for minutes, so a fault is shown when it
 * appears, not with each retry.
 */
export class ModelHealth {
  readonly #runs = new RecentRuns<RunModelHealth>(() => ({
    open: 0,
    answeredAt: 0,
    failed: undefined,
    shownAt: new Map(),
    isShownFailing: false,
    lines: 0,
  }));

  beginRequest(runId: string): void {
    this.#runs.get(runId).open++;
  }

  /** Records the outcome of a request. Returns a notice for a person, if any. */
  endRequest(runId: string, outcome: { answered: boolean; fault?: UpstreamFault }): string | undefined {
    const run = this.#runs.get(runId);
    run.open = Math.max(0, run.open - 1);
    if (outcome.fault) {
      run.failed = { at: Date.now(), fault: outcome.fault };
      return this.getFaultNotice(runId, outcome.fault);
    }
    if (!outcome.answered) return undefined;
    run.answeredAt = Date.now();
    run.failed = undefined;
    if (!run.isShownFailing) return undefined;
    run.isShownFailing = false;
    return "The model's server responds again.";
  }

  /** Returns a notice of a fault for a person, unless the fault was shown recently. */
  getFaultNotice(runId: string, fault: UpstreamFault): string | undefined {
    const notice = this.#takeNotice(runId, fault, fault.kind);
    if (notice !== undefined) this.#runs.get(runId).isShownFailing = true;
    return notice;
  }

  /**
   * Returns a notice that another upstream is asked because of a fault. The request may still
   * succeed, so its success is no recovery that a person has to know of.
   */
  getSwitchNotice(runId: string, fault: UpstreamFault): string | undefined {
    return this.#takeNotice(runId, fault, `${fault.kind}: ${fault.note}`);
  }

  #takeNotice(runId: string, { message, note }: UpstreamFault, subject: string): string | undefined {
    const run = this.#runs.get(runId);
    const nowMs = Date.now();
    if (run.lines >= maxLinesPerRun || nowMs - (run.shownAt.get(subject) ?? Number.NEGATIVE_INFINITY) < quietPeriodMs)
      return undefined;
    run.shownAt.set(subject, nowMs);
    run.lines++;
    return note ? `${message} ${note}` : message;
  }

  hasAsked(runId: string): boolean {
    return this.#runs.find(runId) !== undefined;
  }

  /** Returns the fault of the run's model, judging by its last request. */
  getFault(runId: string): UpstreamFault | undefined {
    return this.#runs.find(runId)?.failed?.fault;
  }

  /**
   * Returns the last fault since `startTime`, if requests failed and none succeeded or is still
   * open.
   */
  getFaultSince(runId: string, startTime: Date): UpstreamFault | undefined {
    const run = this.#runs.find(runId);
    if (!run?.failed || run.open > 0 || run.failed.at < startTime.getTime()) return undefined;
    return run.answeredAt >= startTime.getTime() ? undefined : run.failed.fault;
  }
}
