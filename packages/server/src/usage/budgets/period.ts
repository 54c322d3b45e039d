import type { BudgetPeriod } from "@wharf/contract";

/** Returns when the period of a budget began that contains a time, in UTC. */
export function getPeriodStart(period: BudgetPeriod, time: Date): Date {
  if (period === "total") return new Date(0);
  return new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), period === "day" ? time.getUTCDate() : 1));
}

/** Returns when the period that begins at a time ends; undefined if it never does. */
export function getPeriodEnd(period: BudgetPeriod, start: Date): Date | undefined {
  if (period === "total") return undefined;
  const [year, month, day] = [start.getUTCFullYear(), start.getUTCMonth(), start.getUTCDate()];
  return new Date(period === "day" ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1));
}
