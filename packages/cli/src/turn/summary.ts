import type { Diff, Task } from "@wharf/contract";
import { getChangeCount, formatDiffStat } from "../render/diff.ts";
import { formatCancellation, formatStopReason, formatUsage } from "../render/event-line.ts";
import { formatDuration } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import type { Style } from "../render/style.ts";
import { formatFields } from "../render/table.ts";
import { formatResume } from "../render/task.ts";
import { getExitCode, isCancelled, isUncommitted, type TurnOutcome } from "./outcome.ts";

export interface Summary {
  readonly task: Task;
  readonly turnId: string;
  readonly outcome: TurnOutcome;
  /** Holds the changes of the task's branch, if any are known. */
  readonly diff: Diff | undefined;
  readonly tookMs: number;
}

/** Creates the last line for a program that reads `--json`. */
export function toSummaryJson(
  { task, turnId, outcome, diff, tookMs }: Summary,
  exitCode = getExitCode(outcome),
): Record<string, unknown> {
  const { commit, failure, used: usageTotals, push, push_message, status, stop_reason, reason, error_code } = outcome;
  return {
    type: "summary",
    exit_code: exitCode,
    task_id: task.id,
    turn_id: turnId,
    state: task.state,
    resume_at: task.resume_at,
    turn: status,
    stop_reason,
    reason,
    branch: commit ? task.shadow_branch : undefined,
    commit: commit?.sha,
    push,
    push_message,
    diff: diff && getChangeCount(diff.files),
    usage: usageTotals,
    error_code,
    failure: failure && { code: failure.code, message: failure.message, next: failure.next },
    took_ms: Math.round(tookMs),
  };
}

/** Formats the outcome in one line, and the locations of all results below. */
export function formatSummary(summary: Summary, style: Style): string {
  const { task, outcome, diff } = summary;
  const id = task.id.slice(0, 8);
  const block = formatFields(
    [
      ["branch", formatBranch(summary, style)],
      ["changes", diff && formatDiffStat(diff.files, style)],
      ["used", formatUsage(outcome.used)],
      ["resumes", task.resume_at && formatResume(task.resume_at)],
      ["details", `wharf task show ${id}${outcome.commit ? `  ·  wharf task diff ${id}` : ""}`],
      [
        "continue",
        getExitCode(outcome) === 0
          ? `wharf task prompt ${id} "…" --follow`
          : `wharf task prompt ${id} "…" --follow  ·  wharf task logs ${id}`,
      ],
    ],
    style,
  );
  return `${formatVerdict(summary, style)}\n${block}`;
}

function formatVerdict({ outcome, tookMs }: Summary, style: Style): string {
  const time = style.dim(`(${formatDuration(tookMs)})`);
  const code = getExitCode(outcome);
  if (code === 0)
    return `${style.green("✓")} ${style.bold(outcome.commit ? "Done." : "Done. Nothing was changed.")} ${time}`;
  if (isCancelled(outcome)) return `${style.yellow("!")} ${formatCancellation(outcome.reason)} ${time}`;
  const why = toSingleLine(
    outcome.failure?.message ??
      outcome.push_message ??
      outcome.reason ??
      (outcome.stop_reason && formatStopReason(outcome.stop_reason)) ??
      "",
    600,
  );
  const what =
    code === 1
      ? isUncommitted(outcome)
        ? "Nothing was committed"
        : "The agent failed"
      : outcome.status === "ended"
        ? "The work is done, but its branch was not pushed to the repository"
        : (outcome.error_code && "The task failed") || endTexts[outcome.status];
  const next = outcome.failure?.next ? `\n  ${style.dim("→")} ${toSingleLine(outcome.failure.next, 400)}` : "";
  return `${style.red("✗")} ${style.bold(what)}${why === "" ? "." : `: ${why}`} ${time}${next}`;
}

const endTexts = { cancelled: "The turn was stopped", interrupted: "The turn was interrupted" } as const;

const pushTexts: Readonly<Record<TurnOutcome["push"], string>> = {
  none: "",
  pushed: "pushed to",
  failed: "NOT pushed to",
  waiting: "not pushed yet; the server keeps trying:",
};

function formatBranch({ task, outcome }: Summary, style: Style): string | undefined {
  if (outcome.push === "none") return undefined;
  return `${style.bold(toSingleLine(task.shadow_branch, 300))}\n${pushTexts[outcome.push]} ${toSingleLine(task.repository_url ?? "", 300)}`;
}
