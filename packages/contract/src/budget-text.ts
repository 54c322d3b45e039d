import type { BudgetPeriod, BudgetScope } from "./states.ts";

interface NamedBudget {
  readonly scope: BudgetScope;
  readonly period: BudgetPeriod;
  readonly amount_usd: number;
}

const targetNames = {
  task: "this task",
  board: "this task's board",
  user: "the user who prompted",
  organization: "the organization",
} as const satisfies Record<BudgetScope, string>;

/** Formats an amount with all of its decimals. */
export const formatUsd = (usd: number): string => `$${Number(usd.toFixed(6))}`;

/** Names a budget in a sentence, as seen from a task to whose requests it applies. */
export function formatBudget({ scope, period, amount_usd }: NamedBudget): string {
  return `the budget of ${formatUsd(amount_usd)}${period === "total" ? "" : ` a ${period}`} for ${targetNames[scope]}`;
}
