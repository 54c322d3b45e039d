import type { LockedBudget } from "./locked-budget.ts";
import { getPeriodStart } from "./period.ts";

/** What a request for a model takes of the budgets that apply to it. */
export interface LimitedRequest {
  readonly targetIds: readonly string[];
  /** Micro-USD that the request may cost at most; undefined if its model has no known price. */
  readonly cost: number | undefined;
}

/** Something that the log of a task reports once in a period. */
export interface BudgetAlert {
  readonly kind: "warning" | "limit";
  readonly budget: LockedBudget;
}

export interface BudgetAnswer {
  /** The budget that has no room for the request, or that needs to know its price. */
  readonly refusedBy?: LockedBudget;
  readonly alerts: readonly BudgetAlert[];
}

interface Decision {
  /** In the order of the requests. */
  readonly answers: readonly BudgetAnswer[];
  /** All budgets, with what the accepted requests take of them. */
  readonly budgets: readonly LockedBudget[];
  /**
   * The earliest time at which the accepted requests are reserved: another server may have begun
   * the next period while this transaction waited for the lock.
   */
  readonly reservedAfter: Date;
}

/**
 * Decides which requests the locked budgets have room for, one after the other: a request that is
 * refused takes nothing from those after it.
 */
export function decideRequests(
  requests: readonly LimitedRequest[],
  { budgets, now }: { budgets: readonly LockedBudget[]; now: Date },
): Decision {
  const current = budgets.map((budget) => beginPeriod(budget, now));
  const byTarget = Map.groupBy(current, ({ target_id }) => target_id);
  const answers = requests.map(({ targetIds, cost }) => {
    const ownBudgets = targetIds.flatMap((id) => byTarget.get(id) ?? []);
    const alerts = ownBudgets.flatMap(getAlerts);
    const refusedBy = findRefusal(ownBudgets, cost);
    if (refusedBy) return { refusedBy: { ...refusedBy }, alerts };
    for (const budget of ownBudgets) budget.reserved += cost ?? 0;
    return { alerts };
  });
  const reservedAfter = new Date(Math.max(0, ...current.map(({ period_start }) => period_start)));
  return { answers, budgets: current, reservedAfter };
}

type OpenBudget = { -readonly [Field in keyof LockedBudget]: LockedBudget[Field] };

/** Begins the next period if the last one is over. Its requests count no more. */
function beginPeriod(budget: LockedBudget, now: Date): OpenBudget {
  const start = getPeriodStart(budget.period, now).getTime();
  if (start <= budget.period_start) return { ...budget };
  return { ...budget, period_start: start, reserved: 0, spent: 0, is_warned: false, is_limit_reported: false };
}

/** A budget that only warns refuses nothing. The one that ends the run comes first. */
function findRefusal(budgets: readonly OpenBudget[], cost: number | undefined): OpenBudget | undefined {
  const full = budgets.filter(
    ({ action, amount, reserved, spent }) =>
      action !== "warn" && amount !== null && (cost === undefined || spent + reserved + cost > amount),
  );
  return full.find(({ action }) => action === "stop") ?? full[0];
}

function getAlerts(budget: OpenBudget): BudgetAlert[] {
  const { action, amount, spent, warn_share, is_warned, is_limit_reported } = budget;
  if (amount === null || spent === 0) return [];
  const alerts: BudgetAlert[] = [];
  if (action === "warn" && !is_limit_reported && spent >= amount) alerts.push({ kind: "limit", budget: { ...budget } });
  else if (!is_warned && spent < amount && spent >= amount * warn_share)
    alerts.push({ kind: "warning", budget: { ...budget } });
  return alerts;
}
