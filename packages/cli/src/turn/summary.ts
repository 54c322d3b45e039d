import type { Diff, Task } from "@wharf/contract";
import { oneLine } from "../render/clean.ts";
import { countChanges, diffStat } from "../render/diff.ts";
import { cancelText, stopText, usageText } from "../render/event-line.ts";
import { duration } from "../render/numbers.ts";
import type { Style } from "../render/style.ts";
import { fields } from "../render/table.ts";
import { exitCodeOf, isCancelled, isUncommitted, type TurnOutcome } from "./outcome.ts";

export interface Summary {
  readonly task: Task;
  readonly turnId: string;
  readonly outcome: TurnOutcome;
  /** What the task's branch changed, where it changed anything that is known of. */
  readonly diff: Diff | undefined;
  readonly took: number; // ms
}

/** The last line for a program that reads `--json`. */
export function summaryJson(
  { task, turnId, outcome, diff, took }: Summary,
  exitCode = exitCodeOf(outcome),
): Record<string, unknown> {
  const { commit, failure, used, push, push_message, status, stop_reason, reason, error_code } = outcome;
  return {
    type: "summary",
    exit_code: exitCode,
    task_id: task.id,
    turn_id: turnId,
    state: task.state,
    turn: status,
    stop_reason,
    reason,
    branch: commit ? task.shadow_branch : undefined,
    commit: commit?.sha,
    push,
    push_message,
    diff: diff && countChanges(diff.files),
    usage: used,
    error_code,
    failure: failure && { code: failure.code, message: failure.message, next: failure.next },
    took_ms: Math.round(took),
  };
}

/** How it came out, in one line, and below it where everything is. */
export function summaryText(summary: Summary, style: Style): string {
  const { task, outcome, diff } = summary;
  const id = task.id.slice(0, 8);
  const block = fields(
    [
      ["branch", branchText(summary, style)],
      ["changes", diff && diffStat(diff.files, style)],
      ["used", usageText(outcome.used)],
      ["look", `wharf task show ${id}${outcome.commit ? `  ·  wharf task diff ${id}` : ""}`],
      [
        "go on",
        exitCodeOf(outcome) === 0
          ? `wharf task prompt ${id} "…" --follow`
          : `wharf task prompt ${id} "…" --follow  ·  wharf task logs ${id}`,
      ],
    ],
    style,
  );
  return `${verdict(summary, style)}\n${block}`;
}

function verdict({ outcome, took }: Summary, style: Style): string {
  const time = style.dim(`(${duration(took)})`);
  const code = exitCodeOf(outcome);
  if (code === 0)
    return `${style.green("✓")} ${style.bold(outcome.commit ? "Done." : "Done; nothing was changed.")} ${time}`;
  if (isCancelled(outcome)) return `${style.yellow("!")} ${cancelText(outcome.reason)} ${time}`;
  const why = oneLine(
    outcome.failure?.message ??
      outcome.push_message ??
      outcome.reason ??
      (outcome.stop_reason && stopText(outcome.stop_reason)) ??
      "",
    600,
  );
  const what =
    code === 1
      ? isUncommitted(outcome)
        ? "Nothing was committed"
        : "The agent failed"
      : outcome.status === "ended"
        ? "The work is done, but its branch did not get to the repository"
        : (outcome.error_code && "The task failed") || endWords[outcome.status];
  const next = outcome.failure?.next ? `\n  ${style.dim("→")} ${oneLine(outcome.failure.next, 400)}` : "";
  return `${style.red("✗")} ${style.bold(what)}${why === "" ? "." : `: ${why}`} ${time}${next}`;
}

const endWords = { cancelled: "It was stopped", interrupted: "It was interrupted" } as const;

const pushWords: Readonly<Record<TurnOutcome["push"], string>> = {
  none: "",
  pushed: "pushed to",
  failed: "NOT pushed to",
  waiting: "not yet pushed; the server goes on trying:",
};

function branchText({ task, outcome }: Summary, style: Style): string | undefined {
  if (outcome.push === "none") return undefined;
  return `${style.bold(oneLine(task.shadow_branch, 300))}\n${pushWords[outcome.push]} ${oneLine(task.repository_url ?? "", 300)}`;
}
