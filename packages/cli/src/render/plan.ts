import type { EventDataOf } from "@wharf/contract";
import { oneLine } from "./clean.ts";
import type { Style } from "./style.ts";

export type PlanEntries = EventDataOf<"plan">["entries"];

const boxes: Readonly<Record<string, string>> = { completed: "[x]", in_progress: "[>]", pending: "[ ]" };

function line({ content, status }: PlanEntries[number], style: Style): string {
  const text = `${boxes[status] ?? "[ ]"} ${oneLine(content, 100)}`;
  if (status === "in_progress") return style.bold(text);
  return status === "completed" ? text : style.dim(text);
}

/** The whole checklist where its entries changed, else only the entries that moved on. */
export function planLines(before: PlanEntries, now: PlanEntries, style: Style): string[] {
  const sameEntries = before.length === now.length && now.every(({ content }, i) => content === before[i]?.content);
  const shown = sameEntries ? now.filter(({ status }, i) => status !== before[i]?.status) : now;
  return shown.map((entry) => line(entry, style));
}
