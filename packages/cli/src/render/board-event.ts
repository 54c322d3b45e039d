import type { Envelope, EventData, EventDataByKind } from "@wharf/contract";
import { formatEvent } from "./event-line.ts";
import { toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

const turnVerbs = {
  queued: "a prompt is queued",
  started: "a turn began",
  ended: "the turn ended",
  cancelled: "the turn was cancelled",
  interrupted: "the turn was interrupted",
} as const;

/**
 * Formats an event of a board as one line: when, which task, and what happened. Steps of a start
 * and counts of tokens give none, because they would hide the rest.
 */
export function formatBoardEvent(
  { data, timestamp, type }: Envelope,
  { title, style }: { readonly title: string; readonly style: Style },
): string {
  const text = type === "task.deleted" ? "deleted" : data.data && describeEvent(data.data, style);
  if (!text) return "";
  const time = style.dim(toSingleLine(timestamp.slice(11, 19), 8));
  return `${time}  ${toSingleLine(data.task_id.slice(0, 8))}  ${style.bold(toSingleLine(title, 40))}  ${text}\n`;
}

function describeEvent(data: EventData, style: Style): string | undefined {
  switch (data.kind) {
    case "state":
      return describeState(data);
    case "turn":
      return turnVerbs[data.status];
    case "permission":
      return data.status === "asked"
        ? `${style.yellow("?")} asks: ${toSingleLine(data.title ?? "May it continue?", 200)}`
        : "the question is closed";
    case "plan":
      return `plan: ${data.entries.filter(({ status }) => status === "completed").length} of ${data.entries.length} done`;
    case "phase":
    case "usage":
    case "message":
    case "thought":
    case "tool_call":
    case "output":
      return undefined;
    default:
      return formatEvent(data, style, false).join(" ").trim();
  }
}

function describeState({ entity, from, to, reason }: EventDataByKind<"state">): string {
  const why = reason ? `: ${toSingleLine(reason, 300)}` : "";
  if (entity !== "task") return `the run is ${toSingleLine(to, 100)}${why}`;
  return from === undefined ? "created" : `${toSingleLine(`${from} → ${to}`, 100)}${why}`;
}
