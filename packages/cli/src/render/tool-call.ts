import type { EventDataByKind, ToolCallContent } from "@wharf/contract";
import { toSafeText, toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

export interface ToolCall {
  readonly title: string;
  readonly status: string;
  readonly content: readonly ToolCallContent[];
  readonly path: string | undefined;
  readonly startedAt: number;
}

const finalStatuses = new Set(["completed", "failed", "cancelled", "refused"]);
/** Limits how many output lines of a failed call are shown. */
const maxFailureLines = 3;

/** Merges an event into a call: fields missing from the event stay. */
export function mergeToolCall(
  existing: ToolCall | undefined,
  data: EventDataByKind<"tool_call">,
  timestamp: string,
): ToolCall {
  return {
    title: data.title || existing?.title || data.tool_kind || "a tool",
    status: data.status ?? existing?.status ?? "pending",
    content: data.content ?? existing?.content ?? [],
    path: data.locations?.[0]?.path ?? existing?.path,
    startedAt: existing?.startedAt ?? Date.parse(timestamp),
  };
}

export const isFinal = ({ status }: ToolCall): boolean => finalStatuses.has(status);

/** Formats the agent's title of a call, with the file if the title does not name it. */
export function formatCallTitle(call: ToolCall): string {
  const title = toSingleLine(call.title, 100);
  const file = call.path === undefined ? "" : toSingleLine(call.path.split("/").slice(-2).join("/"), 60);
  const name = file.split("/").at(-1) ?? "";
  return name === "" || title.includes(name) ? title : `${title}  ${file}`;
}

/** Formats the outcome of a call, which follows its title. */
export function formatCallEnding(call: ToolCall, style: Style): string {
  if (call.status !== "completed") return style.red(toSingleLine(call.status, 40));
  const changes = call.content.flatMap((part) => (part.type === "diff" ? [getLineChanges(part)] : []));
  const addedLines = changes.reduce((sum, { additions }) => sum + additions, 0);
  const removedLines = changes.reduce((sum, { deletions }) => sum + deletions, 0);
  return changes.length > 0 ? `${style.green(`+${addedLines}`)} ${style.red(`−${removedLines}`)}` : style.green("✓");
}

/** Returns the last output lines of a failed call. */
export function getFailureLines(call: ToolCall): string[] {
  if (call.status !== "failed") return [];
  const text = call.content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
  const lines = toSafeText(text)
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "");
  return lines.slice(-maxFailureLines).map((line) => toSingleLine(line, 160));
}

/**
 * Counts the lines that an edit touches, which are those between the common beginning and the
 * common end.
 */
function getLineChanges({ old_text, new_text }: { old_text?: string | undefined; new_text: string }): {
  additions: number;
  deletions: number;
} {
  const oldLines = toLines(old_text ?? "");
  const newLines = toLines(new_text);
  let start = 0;
  while (start < oldLines.length && start < newLines.length && oldLines[start] === newLines[start]) start++;
  let end = 0;
  while (
    end < oldLines.length - start &&
    end < newLines.length - start &&
    oldLines.at(-1 - end) === newLines.at(-1 - end)
  )
    end++;
  return { additions: newLines.length - start - end, deletions: oldLines.length - start - end };
}

const toLines = (text: string): string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));
