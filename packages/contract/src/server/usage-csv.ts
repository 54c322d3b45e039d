import { type UsageReport, UsageSums } from "./usage.ts";

/** Spreadsheets calculate what begins with one of these, also in the name of a task. */
const formulaStart = /^[=+\-@\t\r\n]/;

function formatCell(value: string | number | null | undefined): string {
  if (typeof value === "number") return String(value);
  const text = value ?? "";
  const safeText = formulaStart.test(text) ? `'${text}` : text;
  return /[",\r\n']/.test(safeText) ? `"${safeText.replaceAll('"', '""')}"` : safeText;
}

const sumNames = Object.keys(UsageSums.shape) as (keyof UsageSums)[];

/** Formats a report for spreadsheets: its rows, or the total of a report without rows. */
export function formatUsageCsv({ group_by, rows, total }: UsageReport): string {
  const header = group_by === undefined ? sumNames : [group_by, "name", ...sumNames];
  const getSums = (sums: UsageSums) => sumNames.map((name) => sums[name]);
  const lines = group_by === undefined ? [getSums(total)] : rows.map((row) => [row.key, row.name, ...getSums(row)]);
  return [header, ...lines].map((cells) => `${cells.map(formatCell).join(",")}\r\n`).join("");
}
