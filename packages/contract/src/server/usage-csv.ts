import type { AuditEntry } from "./audit.ts";
import { type HostUsageReport, HostUsageRow } from "./host-usage.ts";
import { ResourceSums, type ResourceUsageReport } from "./resource-usage.ts";
import { type UsageReport, UsageSums } from "./usage.ts";

/** Spreadsheets calculate what begins with one of these, also in the name of a task. */
const formulaStart = /^[=+\-@\t\r\n]/;

type Cell = string | number | null | undefined;

function formatCell(value: Cell): string {
  if (typeof value === "number") return String(value);
  const text = value ?? "";
  const safeText = formulaStart.test(text) ? `'${text}` : text;
  return /[",\r\n']/.test(safeText) ? `"${safeText.replaceAll('"', '""')}"` : safeText;
}

interface Report<Sums> {
  readonly group_by?: string | undefined;
  readonly rows: readonly (Sums & { readonly key: string | null; readonly name?: string | undefined })[];
  readonly total: Sums;
}

/** Formats a report for spreadsheets: its rows, or the total of a report without rows. */
function formatReportCsv<Name extends string>(
  sumNames: readonly Name[],
  { group_by, rows, total }: Report<Readonly<Record<Name, number>>>,
): string {
  const header = group_by === undefined ? sumNames : [group_by, "name", ...sumNames];
  const getSums = (sums: Readonly<Record<Name, number>>) => sumNames.map((name) => sums[name]);
  const lines = group_by === undefined ? [getSums(total)] : rows.map((row) => [row.key, row.name, ...getSums(row)]);
  return formatLines([header, ...lines]);
}

const formatLines = (lines: readonly (readonly Cell[])[]): string =>
  lines.map((cells) => `${cells.map(formatCell).join(",")}\r\n`).join("");

/** Formats entries of the audit log. The header is a part of the first chunk only. */
export function formatAuditCsv(entries: readonly AuditEntry[], { hasHeader = false } = {}): string {
  const rows = entries.map(({ actor, target, details, ...entry }) => [
    entry.sequence,
    entry.at,
    actor.kind,
    actor.id,
    actor.name,
    entry.action,
    target?.kind,
    target?.id,
    entry.result,
    entry.error,
    entry.address,
    entry.user_agent,
    details && JSON.stringify(details),
    entry.hash,
  ]);
  return formatLines(hasHeader ? [auditColumns, ...rows] : rows);
}

const auditColumns = [
  "sequence",
  "at",
  "actor_kind",
  "actor_id",
  "actor_name",
  "action",
  "target_kind",
  "target_id",
  "result",
  "error",
  "address",
  "user_agent",
  "details",
  "hash",
];

export const formatUsageCsv = (report: UsageReport): string => formatReportCsv(UsageSums.keyof().options, report);

export const formatResourceUsageCsv = (report: ResourceUsageReport): string =>
  formatReportCsv(ResourceSums.keyof().options, report);

export function formatHostUsageCsv({ hosts }: HostUsageReport): string {
  const names = HostUsageRow.keyof().options;
  return formatLines([names, ...hosts.map((row) => names.map((name) => row[name]))]);
}
