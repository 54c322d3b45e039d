import type { ResourceSums, UsageSums } from "@wharf/client";
import { formatCost, formatDuration } from "../text/index.ts";
import type { Measure } from "./usage-search.ts";

/** The sums of a row: of requests to models, and of runners. Either may be missing. */
export interface Sums {
  readonly models?: UsageSums | undefined;
  readonly runners?: ResourceSums | undefined;
}

export interface ReportRow extends Sums {
  /** An id, a name or a time; null for usage without one. */
  readonly key: string | null;
  readonly name?: string | undefined;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** Returns the beginning of the first of some days of which the last is today, in UTC. */
export const getStart = (days: number, nowMs: number): string =>
  new Date(Math.floor(nowMs / dayMs) * dayMs - (days - 1) * dayMs).toISOString();

/** A single day is shown by hour. */
export const getTimeGroup = (days: number): "hour" | "day" => (days === 1 ? "hour" : "day");

interface KeyedRow {
  readonly key: unknown;
  readonly name?: string;
}

const toKey = ({ key }: KeyedRow): string | null => (typeof key === "string" ? key : null);

/** Joins both reports by their keys. The rows of the first one keep their order. */
export function joinRows(
  models: readonly (KeyedRow & UsageSums)[],
  runners: readonly (KeyedRow & ResourceSums)[],
): ReportRow[] {
  const rows = new Map<string | null, ReportRow>();
  for (const row of models) {
    const key = toKey(row);
    rows.set(key, { key, name: row.name, models: row });
  }
  for (const row of runners) {
    const key = toKey(row);
    const joined = rows.get(key);
    rows.set(key, { key, name: joined?.name ?? row.name, models: joined?.models, runners: row });
  }
  return [...rows.values()];
}

/** Returns a row for each hour or day until now, also for those without usage. */
export function fillTimes(
  rows: readonly ReportRow[],
  start: string,
  nowMs: number,
  group: "hour" | "day",
): ReportRow[] {
  const stepMs = group === "hour" ? hourMs : dayMs;
  const byTime = new Map(rows.map((row) => [Date.parse(row.key ?? ""), row]));
  const filled: ReportRow[] = [];
  for (let time = Date.parse(start); time <= nowMs; time += stepMs)
    filled.push(byTime.get(time) ?? { key: new Date(time).toISOString() });
  return filled;
}

export const countInput = ({ input_tokens, cached_tokens, cache_write_tokens }: UsageSums): number =>
  input_tokens + cached_tokens + cache_write_tokens;

export function getValue({ models, runners }: Sums, measure: Measure): number {
  if (measure === "cpu") return runners?.cpu_seconds ?? 0;
  if (!models) return 0;
  return measure === "cost" ? models.cost_usd : countInput(models) + models.output_tokens;
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function formatValue(value: number, measure: Measure): string {
  if (measure === "cost") return formatCost(value);
  return measure === "cpu" ? formatDuration(value * 1_000) : compact.format(value);
}

/** Formats a cost, which lacks that of requests without a known price. */
export function formatTotalCost({ cost_usd: cost, unpriced_requests: unpriced }: UsageSums): string {
  if (unpriced === 0) return formatCost(cost);
  return cost === 0 ? "unknown" : `${formatCost(cost)} or more`;
}
