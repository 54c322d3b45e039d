import { WharfError } from "@wharf/contract";
import type { LockedBudget } from "./locked-budget.ts";
import { toUsd } from "./usd.ts";

/** Creates the error for a request that a budget refuses. */
export function createBudgetError(
  { id, scope, target_id, period, action, amount, reserved, spent }: LockedBudget,
  {
    request: { route, model },
    cost,
  }: { request: { readonly route: string; readonly model?: string | undefined }; cost: number | undefined },
): WharfError<"budget_exhausted"> | WharfError<"budget_needs_price"> {
  const budget = { budget_id: id, scope, target_id, period, action, amount_usd: toUsd(amount ?? 0) };
  if (cost === undefined) return new WharfError("budget_needs_price", { ...budget, route, model });
  return new WharfError("budget_exhausted", {
    ...budget,
    needed_usd: toUsd(cost),
    spent_usd: toUsd(spent),
    reserved_usd: toUsd(reserved),
  });
}
