import type { UsageReport, UsageSums } from "@wharf/contract";
import { formatCount, formatDollars, formatInteger } from "./numbers.ts";
import { formatTable, type TableStyle } from "./table.ts";
import { formatKey, formatPeriod, groupTitles } from "./usage-key.ts";

/** Formats the rows of a report with their total. */
export function formatUsage(report: UsageReport, look: TableStyle): string {
  const { group_by = "model", rows, truncated, total } = report;
  if (total.requests === 0) return `No requests to models ${formatPeriod(report)}.\n`;
  const header = ["REQUESTS", "INPUT", "CACHED", "OUTPUT", "COST", groupTitles[group_by]];
  const cells = rows.map((row) => [...formatSums(row), formatKey(group_by, row)]);
  const notes = [
    truncated ? `The first ${formatCount(rows.length, "row")}; the total contains all.` : "",
    ...getNotes(total),
    `This is the usage ${formatPeriod(report)}.`,
  ];
  const shownNotes = notes.filter(Boolean).map((note) => look.style.dim(`${note}\n`));
  return formatTable(header, [...cells, [...formatSums(total), "total"]], look) + shownNotes.join("");
}

/** Formats the sums in one line; undefined if nothing was used. */
export function formatUsageLine(sums: UsageSums): string | undefined {
  if (sums.requests === 0) return undefined;
  const input = sums.input_tokens + sums.cached_tokens + sums.cache_write_tokens;
  const tokens = `${formatInteger(input)} tokens in, ${formatInteger(sums.output_tokens)} out`;
  return `${formatCount(sums.requests, "model request")}, ${tokens}, ${formatCost(sums)}`;
}

const formatSums = (sums: UsageSums): string[] => [
  formatInteger(sums.requests),
  formatInteger(sums.input_tokens + sums.cache_write_tokens),
  formatInteger(sums.cached_tokens),
  formatInteger(sums.output_tokens),
  formatCost(sums),
];

/** Requests without a price may have cost anything. */
function formatCost({ cost_usd, requests, unpriced_requests }: UsageSums): string {
  if (unpriced_requests === requests) return "unknown";
  return unpriced_requests > 0 ? `${formatDollars(cost_usd)} or more` : formatDollars(cost_usd);
}

const getNotes = (total: UsageSums): string[] => [
  total.unpriced_requests > 0
    ? `The price of ${formatCount(total.unpriced_requests, "request")} is unknown: the cost does not contain them.`
    : "",
  total.estimated_requests > 0
    ? `The tokens of ${formatCount(total.estimated_requests, "request")} are estimates: the answers broke off.`
    : "",
  total.implausible_requests > 0
    ? `The counts of ${formatCount(total.implausible_requests, "request")} cannot be right.`
    : "",
];
