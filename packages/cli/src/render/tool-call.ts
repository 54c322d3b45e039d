import type { EventDataOf, ToolCallContent } from "@wharf/contract";
import { clean, oneLine } from "./clean.ts";
import type { Style } from "./style.ts";

export interface ToolCall {
  readonly title: string;
  readonly status: string;
  readonly content: readonly ToolCallContent[];
  readonly path: string | undefined;
  readonly startedAt: number;
}

const finals = new Set(["completed", "failed", "cancelled", "refused"]);
/** Lines of a failed call's output that are shown. */
const maxFailureLines = 3;

/** A call as it stands after one more event about it: what the event leaves out stays. */
export function upsert(known: ToolCall | undefined, data: EventDataOf<"tool_call">, timestamp: string): ToolCall {
  return {
    title: data.title || known?.title || data.tool_kind || "a tool",
    status: data.status ?? known?.status ?? "pending",
    content: data.content ?? known?.content ?? [],
    path: data.locations?.[0]?.path ?? known?.path,
    startedAt: known?.startedAt ?? Date.parse(timestamp),
  };
}

export const isFinal = ({ status }: ToolCall): boolean => finals.has(status);

/** What it does, as the agent calls it; with the file where the title does not name it. */
export function callTitle(call: ToolCall): string {
  const title = oneLine(call.title, 100);
  const file = call.path === undefined ? "" : oneLine(call.path.split("/").slice(-2).join("/"), 60);
  const name = file.split("/").at(-1) ?? "";
  return name === "" || title.includes(name) ? title : `${title}  ${file}`;
}

/** How it ended, to stand behind its title. */
export function callEnding(call: ToolCall, style: Style): string {
  if (call.status !== "completed") return style.red(oneLine(call.status, 40));
  const changes = call.content.flatMap((part) => (part.type === "diff" ? [lineChanges(part)] : []));
  const added = changes.reduce((sum, { additions }) => sum + additions, 0);
  const removed = changes.reduce((sum, { deletions }) => sum + deletions, 0);
  return changes.length > 0 ? `${style.green(`+${added}`)} ${style.red(`−${removed}`)}` : style.green("✓");
}

/** The last lines of what a failed call said. */
export function failureLines(call: ToolCall): string[] {
  if (call.status !== "failed") return [];
  const text = call.content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
  const lines = clean(text)
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "");
  return lines.slice(-maxFailureLines).map((line) => oneLine(line, 160));
}

/** Lines that an edit touches: what stands between the common beginning and the common end. */
function lineChanges({ old_text, new_text }: { old_text?: string | undefined; new_text: string }): {
  additions: number;
  deletions: number;
} {
  const before = linesOf(old_text ?? "");
  const after = linesOf(new_text);
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  return { additions: after.length - start - end, deletions: before.length - start - end };
}

const linesOf = (text: string): string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));
