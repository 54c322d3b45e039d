import type { BudgetAction } from "@wharf/contract";

/** The rules of a budget for which a person chose none, and of those that the setting creates. */
export const defaultRules: { readonly action: BudgetAction; readonly warnShare: number } = {
  action: "pause",
  warnShare: 0.8,
};

/**
 * Whether a budget comes from the setting and the task has its own, of another period. Such a
 * budget limits nothing. It still counts, so that it can take effect again.
 */
export const isReplacedDefault = `
  (budgets.amount is null and exists (
    select from budgets own where own.target_id = budgets.target_id and own.amount is not null))`;

/**
 * Returns the expression for what a budget allows; null if it limits nothing.
 *
 * @param defaultAmount The amount of the setting, or null.
 */
export const createAmountExpression = (defaultAmount: string): string =>
  `case when ${isReplacedDefault} then null else coalesce(amount, ${defaultAmount}) end`;
