import type { Pool } from "pg";
import { defaultRules } from "./default-budget.ts";
import { createInitialUsage } from "./initial-usage.ts";
import { runTransaction } from "./run-transaction.ts";

/** Gives the setting's budget to those tasks that have none, with what they have spent so far. */
export async function createDefaultBudgets(pool: Pick<Pool, "connect">, taskIds: readonly string[]): Promise<void> {
  if (taskIds.length === 0) return;
  await runTransaction(pool, async (client) => {
    const { rows } = await client.query<{ id: string }>({ text: lockTasksWithoutBudget, values: [taskIds] });
    if (rows.length === 0) return;
    await client.query("lock table model_reservations in share row exclusive mode");
    await client.query({ text: insertDefaults, values: [rows.map(({ id }) => id)] });
  });
}

const lockTasksWithoutBudget = `
  select id from tasks
  where id = any($1::uuid[]) and not exists (select from budgets where target_id = tasks.id)
  order by id
  for key share`;

const insertDefaults = `
  insert into budgets (id, organization_id, task_id, period, warn_share, action, period_start, reserved, spent)
  select gen_random_uuid(), board.organization_id, task.id, 'total', ${defaultRules.warnShare},
    '${defaultRules.action}', 'epoch', usage.reserved, usage.spent
  from tasks task
  join boards board on board.id = task.board_id
  cross join lateral (${createInitialUsage("task_id = task.id", "'epoch'")}) usage
  where task.id = any($1::uuid[])
  on conflict do nothing`;
