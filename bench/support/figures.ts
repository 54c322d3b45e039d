/** A measurement: numbers, and rows of the one table that all benchmarks share. */
export interface Figure {
  readonly what: string;
  readonly wharf: string;
  /** The same work without Wharf, in the same run. */
  readonly beside?: string;
  /** Wharf's figure divided by the one beside it. */
  readonly ratio?: number;
  /** The limit that the design requires. */
  readonly hold?: string;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
}

export function getSpread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), count: sorted.length };
}

export const getMedian = (values: readonly number[]): number => getSpread(values).p50;

/** Formats a value with three significant digits, regardless of its size. */
export function formatDigits(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export const formatMs = (value: number): string => `${formatDigits(value)} ms`;
export const formatMegabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
/** With fewer than 100 values the second number is the largest of them. */
export const formatSpread = ({ p50, p99, count }: Spread): string =>
  `${formatDigits(p50)} / ${formatDigits(p99)} ms${count < 100 ? ` (of ${count})` : ""}`;

const columns = ["what", "Wharf", "baseline", "ratio", "target"];

export function formatTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, wharf, beside = "", ratio, hold = "" }) => [
    what,
    wharf,
    beside,
    ratio === undefined ? "" : formatDigits(ratio),
    hold,
  ]);
  const formatRow = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return [columns, columns.map(() => "---"), ...rows].map(formatRow).join("");
}
