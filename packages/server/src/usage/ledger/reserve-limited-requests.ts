import type { PoolClient } from "pg";
import { type BudgetAnswer, decideRequests } from "../budgets/budget-decision.ts";
import { createDefaultBudgets } from "../budgets/create-default-budgets.ts";
import { lockBudgets } from "../budgets/lock-budgets.ts";
import type { LockedBudget } from "../budgets/locked-budget.ts";
import { runTransaction } from "../budgets/run-transaction.ts";
import type { LedgerDatabase } from "./ledger-database.ts";
import { type FoundReservation, reservationColumns } from "./reserve-requests.ts";

/**
 * Inserts the reservations for which their budgets have room, and adds them to the budgets, in one
 * transaction. Returns the answers of the budgets in the order of the requests.
 */
export async function reserveLimitedRequests(
  db: LedgerDatabase,
  requests: readonly FoundReservation[],
  { defaultAmount }: { defaultAmount: number | undefined },
): Promise<readonly BudgetAnswer[]> {
  const taskIds = requests.flatMap(({ task_id, has_task_budget }) => (has_task_budget ? [] : (task_id ?? [])));
  if (defaultAmount !== undefined) await createDefaultBudgets(db, [...new Set(taskIds)]);
  const limited = requests.map((request) => ({
    targetIds: getTargetIds(request),
    cost: request.reserved_cost ?? undefined,
  }));
  const targetIds = [...new Set(limited.flatMap((one) => one.targetIds))];
  return runTransaction(db, async (client) => {
    // No budget is created from here on: it would not count these requests.
    await client.query("lock table model_reservations in row exclusive mode");
    const locked = await lockBudgets(client, { targetIds, defaultAmount });
    const { answers, budgets, reservedAfter } = decideRequests(limited, locked);
    const accepted = requests.filter((_, index) => answers[index]?.refusedBy === undefined);
    if (accepted.length > 0) await writeReservations(client, { accepted, budgets, reservedAfter });
    return answers;
  });
}

const getTargetIds = ({ task_id, board_id, user_id, organization_id }: FoundReservation): string[] =>
  [task_id, board_id, user_id, organization_id].filter((id) => id !== null);

async function writeReservations(
  client: PoolClient,
  {
    accepted,
    budgets,
    reservedAfter,
  }: { accepted: readonly FoundReservation[]; budgets: readonly LockedBudget[]; reservedAfter: Date },
): Promise<void> {
  await client.query({
    name: "reserve_limited_requests",
    text: insertLimited,
    values: [JSON.stringify(accepted), JSON.stringify(budgets), reservedAfter.toISOString()],
  });
}

const insertLimited = `
  with budget as (
    update budgets set period_start = to_timestamp(one.period_start / 1000), reserved = one.reserved,
      spent = one.spent, is_warned = one.is_warned, is_limit_reported = one.is_limit_reported
    from jsonb_to_recordset($2::jsonb) as one (
      id uuid, period_start float8, reserved bigint, spent bigint, is_warned boolean, is_limit_reported boolean)
    where budgets.id = one.id
  )
  insert into model_reservations (${reservationColumns}, reserved_at)
  select ${reservationColumns}, greatest(now(), $3::timestamptz)
  from jsonb_populate_recordset(null::model_reservations, $1::jsonb)`;
