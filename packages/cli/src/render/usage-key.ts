import type { ResourceGroup, UsageGroup } from "@wharf/contract";
import { toSingleLine } from "./safe-text.ts";
import { maxCellLength } from "./table.ts";

type Group = UsageGroup | ResourceGroup;

export const groupTitles: { readonly [Name in Group]: string } = {
  hour: "HOUR",
  day: "DAY",
  task: "TASK",
  board: "BOARD",
  user: "USER",
  run: "RUN",
  turn: "TURN",
  runner: "RUNNER",
  agent_type: "AGENT",
  tier: "TIER",
  route: "ROUTE",
  model: "MODEL",
};

/** Formats what a row stands for, with its name if it has one. */
export function formatKey(
  group: Group,
  { key, name }: { readonly key: string | null; readonly name?: string | undefined },
): string {
  if (key === null) return "–";
  const text = toSingleLine(key, maxCellLength);
  return name === undefined
    ? text
    : `${group === "task" ? text.slice(0, 8) : text} ${toSingleLine(name, maxCellLength)}`;
}

/** Formats the time of a report, which consists of whole hours of UTC. */
export const formatPeriod = ({ from, to }: { readonly from: string; readonly to?: string | undefined }): string =>
  to === undefined ? `since ${formatHour(from)} UTC` : `from ${formatHour(from)} to ${formatHour(to)} UTC`;

const formatHour = (time: string): string => time.slice(0, "2026-01-31T08:00".length).replace("T", " ");
