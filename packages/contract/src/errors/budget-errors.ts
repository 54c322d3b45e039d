import { formatBudget, formatUsd } from "../budget-text.ts";
import type { BudgetAction, BudgetPeriod, BudgetScope } from "../states.ts";
import type { Catalogue } from "./catalogue-entry.ts";

/** An alias: an interface could not be a context, which has an index signature. */
type RefusingBudget = {
  budget_id: string;
  scope: BudgetScope;
  target_id: string;
  period: BudgetPeriod;
  action: BudgetAction;
  amount_usd: number;
};

export interface BudgetErrors {
  budget_exhausted: RefusingBudget & { needed_usd: number; spent_usd: number; reserved_usd: number };
  budget_needs_price: RefusingBudget & { route: string; model?: string | undefined };
  budget_not_found: { id: string };
  budget_user_not_found: { user: string };
  run_rate_limited: { what: "requests" | "tokens"; limit: number; retry_after_s: number };
}

/** Requests that a budget or a rate limit refuses, and budgets that do not exist. */
export const budgetErrors: Catalogue<BudgetErrors> = {
  budget_exhausted: {
    http: 402,
    grpc: "RESOURCE_EXHAUSTED",
    message: (budget) =>
      `The request may cost up to ${formatUsd(budget.needed_usd)}, for which ${formatBudget(budget)} has no room: ${formatUsd(budget.spent_usd)} is spent, and open requests may cost up to ${formatUsd(budget.reserved_usd)}.`,
    next: (budget) =>
      `A person can raise it: \`wharf budget set ${formatTarget(budget)} <amount>\`. A smaller limit for the answer (max_tokens) also makes a request fit.`,
  },
  budget_needs_price: {
    http: 402,
    grpc: "FAILED_PRECONDITION",
    message: ({ route, model, ...budget }) =>
      `${capitalize(formatBudget(budget))} cannot count ${model === undefined ? "a request that names no model" : `the model '${model}'`} on the model route '${route}': its price is unknown.`,
    next: () =>
      "Add the model's price to the file that WHARF_PRICES names and restart the server, choose a model with a known price, or remove the budget with `wharf budget rm`.",
  },
  budget_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no budget '${id}'.`,
    next: () => "List the budgets with `wharf budget`.",
  },
  budget_user_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ user }) => `There is no user '${user}' in your organization.`,
    next: () => "Give the name or the id of an existing user; `wharf usage --by user` lists those who used models.",
  },
  run_rate_limited: {
    http: 429,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ what, limit, retry_after_s }) =>
      `This run may use ${limit} ${what} of models in a minute. Try again in ${retry_after_s} s.`,
    next: ({ what }) =>
      `Agents wait and try again. The setting WHARF_RUN_${what.toUpperCase()}_PER_MINUTE of the server sets the limit.`,
  },
};

const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Returns the options that name the budget in a command. */
function formatTarget({ scope, target_id, period }: RefusingBudget): string {
  const target = scope === "organization" ? "--organization" : `--${scope} ${target_id}`;
  return period === "total" ? target : `${target} --period ${period}`;
}
