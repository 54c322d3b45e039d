import type { BudgetAction, BudgetPeriod, BudgetScope } from "@wharf/contract";

/** A budget whose row the current transaction has locked. Amounts are micro-USD. */
export interface LockedBudget {
  readonly id: string;
  readonly scope: BudgetScope;
  readonly target_id: string;
  readonly period: BudgetPeriod;
  readonly action: BudgetAction;
  /** Null if the row stands for the setting's budget and the setting is absent. */
  readonly amount: number | null;
  readonly warn_share: number;
  /** Milliseconds since 1970. */
  readonly period_start: number;
  readonly reserved: number;
  readonly spent: number;
  readonly is_warned: boolean;
  readonly is_limit_reported: boolean;
}
