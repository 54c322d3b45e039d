import type { Budget } from "@wharf/client";

/** Before this part of a period has passed, a few requests would say too much. */
const minElapsedShare = 0.05;

/** Returns the part of the amount that is spent; more than 1 above the limit. */
export function getShare({ amount_usd: amount, spent_usd: spent }: Pick<Budget, "amount_usd" | "spent_usd">): number {
  if (amount > 0) return spent / amount;
  return spent > 0 ? Infinity : 1;
}

/** Returns what will be spent at the end of the period, at the rate of its beginning. */
export function estimateEnd(
  { period_start: start, period_end: end, spent_usd: spent }: Pick<Budget, "period_start" | "period_end" | "spent_usd">,
  nowMs: number,
): number | undefined {
  if (start === undefined || end === undefined) return undefined;
  const elapsedShare = (nowMs - Date.parse(start)) / (Date.parse(end) - Date.parse(start));
  if (elapsedShare < minElapsedShare || elapsedShare > 1) return undefined;
  return spent / elapsedShare;
}
