import type { EventDataByKind } from "@wharf/contract";
import { toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

export type PlanEntries = EventDataByKind<"plan">["entries"];

const boxes: Readonly<Record<string, string>> = { completed: "[x]", in_progress: "[>]", pending: "[ ]" };

function formatEntry({ content, status }: PlanEntries[number], style: Style): string {
  const text = `${boxes[status] ?? "[ ]"} ${toSingleLine(content, 100)}`;
  if (status === "in_progress") return style.bold(text);
  return status === "completed" ? text : style.dim(text);
}

/**
 * Formats the whole checklist if its entries changed, otherwise only the entries with a new status.
 */
export function formatPlan(previousEntries: PlanEntries, entries: PlanEntries, style: Style): string[] {
  const sameEntries =
    previousEntries.length === entries.length &&
    entries.every(({ content }, i) => content === previousEntries[i]?.content);
  const shownEntries = sameEntries ? entries.filter(({ status }, i) => status !== previousEntries[i]?.status) : entries;
  return shownEntries.map((entry) => formatEntry(entry, style));
}
