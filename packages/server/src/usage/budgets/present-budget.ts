import type { Budget, BudgetAction, BudgetPeriod, BudgetScope } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { getPeriodEnd, getPeriodStart } from "./period.ts";
import { toUsd } from "./usd.ts";

/** A budget as lists show it. */
export interface BudgetRow {
  readonly id: string;
  readonly scope: BudgetScope;
  readonly target_id: string;
  readonly name: string;
  readonly period: BudgetPeriod;
  readonly action: BudgetAction;
  readonly amount: number | null;
  readonly warn_share: number;
  /** Milliseconds since 1970. */
  readonly period_start: number;
  readonly now: number;
  readonly reserved: number;
  readonly spent: number;
}

/** The columns of a row, for `budgets` joined with what the budgets are for. */
export const budgetRowColumns = sql`
  budgets.id, budgets.target_id, budgets.period, budgets.action, budgets.amount::float8 as amount,
  budgets.warn_share, extract(epoch from budgets.period_start)::float8 * 1000 as period_start,
  extract(epoch from now())::float8 * 1000 as now, budgets.reserved::float8 as reserved,
  budgets.spent::float8 as spent, coalesce(tasks.title, boards.name, users.username, organizations.name) as name,
  case when budgets.task_id is not null then 'task' when budgets.board_id is not null then 'board'
    when budgets.user_id is not null then 'user' else 'organization' end as scope`;

export function presentBudget(row: BudgetRow, defaultAmount: number | undefined): Budget {
  const { id, scope, target_id, name, period, action, amount, warn_share } = row;
  const start = getPeriodStart(period, new Date(row.now));
  const end = getPeriodEnd(period, start);
  // A request begins the period in the database; before it, nothing of the period is spent.
  const isCurrent = row.period_start >= start.getTime();
  return {
    id,
    scope,
    ...(scope !== "organization" && { [`${scope}_id`]: target_id }),
    name,
    amount_usd: toUsd(amount ?? defaultAmount ?? 0),
    period,
    action,
    warn_share,
    spent_usd: isCurrent ? toUsd(row.spent) : 0,
    reserved_usd: isCurrent ? toUsd(row.reserved) : 0,
    ...(end && { period_start: start.toISOString(), period_end: end.toISOString() }),
    source: amount === null ? "setting" : "person",
  };
}
