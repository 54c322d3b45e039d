import type { PoolClient } from "pg";
import { createAmountExpression } from "./default-budget.ts";
import type { LockedBudget } from "./locked-budget.ts";

/**
 * Locks the budgets of some tasks, boards, users and organisations until the end of the
 * transaction. All transactions lock in the order of the ids, so that they never wait for each
 * other. The values are those that the last holder of the lock has committed; the time is that of
 * the transaction, if there are any budgets.
 */
export async function lockBudgets(
  client: Pick<PoolClient, "query">,
  { targetIds, defaultAmount }: { targetIds: readonly string[]; defaultAmount: number | undefined },
): Promise<{ budgets: LockedBudget[]; now: Date }> {
  const { rows } = await client.query<LockedBudget & { readonly now: number }>({
    name: "lock_budgets",
    text: selectBudgets,
    values: [targetIds, defaultAmount],
  });
  return { budgets: rows, now: new Date(rows[0]?.now ?? 0) };
}

const selectBudgets = `
  select id, target_id, period, action, warn_share, (${createAmountExpression("$2::bigint")})::float8 as amount,
    case when task_id is not null then 'task' when board_id is not null then 'board'
      when user_id is not null then 'user' else 'organization' end as scope,
    extract(epoch from period_start)::float8 * 1000 as period_start, reserved::float8 as reserved,
    spent::float8 as spent, is_warned, is_limit_reported,
    floor(extract(epoch from now()) * 1000)::float8 as now
  from budgets
  where target_id = any($1::uuid[])
  order by id
  for update`;
