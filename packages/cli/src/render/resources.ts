import type { ResourceSums, ResourceUsageReport } from "@wharf/contract";
import { formatCount, formatDuration } from "./numbers.ts";
import { formatTable, type TableStyle } from "./table.ts";
import { formatKey, formatPeriod, groupTitles } from "./usage-key.ts";

/** Formats the rows of a report of resources with their total. */
export function formatResources(report: ResourceUsageReport, look: TableStyle): string {
  const { group_by = "task", rows, truncated, total } = report;
  if (!isUsed(total)) return `No runner has run ${formatPeriod(report)}.\n`;
  const header = ["TIME", "CPU", "MEMORY", "STORAGE", groupTitles[group_by]];
  const cells = rows.map((row) => [...formatSums(row), formatKey(group_by, row)]);
  const limit = truncated ? `The first ${formatCount(rows.length, "row")}; the total contains all.\n` : "";
  const note = `${limit}This is the usage ${formatPeriod(report)}.\n`;
  return formatTable(header, [...cells, [...formatSums(total), "total"]], look) + look.style.dim(note);
}

/** Formats the sums in one line; undefined if nothing was used. */
export function formatResourcesLine(sums: ResourceSums): string | undefined {
  if (!isUsed(sums)) return undefined;
  const [time, cpu, memory, storage] = formatSums(sums);
  return `${time} of a runner, ${cpu} CPU, ${memory} of memory, ${storage} of storage`;
}

const isUsed = ({ running_seconds, cpu_seconds, storage_gib_hours }: ResourceSums): boolean =>
  running_seconds > 0 || cpu_seconds > 0 || storage_gib_hours > 0;

const formatSums = ({ running_seconds, cpu_seconds, memory_gib_hours, storage_gib_hours }: ResourceSums) =>
  [
    formatDuration(running_seconds * 1000),
    formatDuration(cpu_seconds * 1000),
    `${formatGibHours(memory_gib_hours)} GiB-h`,
    `${formatGibHours(storage_gib_hours)} GiB-h`,
  ] as const;

const formatGibHours = (amount: number): string => (amount > 0 && amount < 0.01 ? "<0.01" : amount.toFixed(2));
