import { createAmountExpression } from "../budgets/default-budget.ts";
import type { LedgerDatabase } from "./ledger-database.ts";

/** A row of `model_reservations`, without the columns that the statement finds itself. */
export interface NewReservation {
  readonly id: string;
  readonly request_id: string;
  readonly server_id: string;
  readonly server_start: string;
  readonly organization_id: string | undefined;
  readonly task_id: string | undefined;
  readonly run_id: string;
  readonly runner_id: string;
  readonly agent_type: string | undefined;
  readonly route: string;
  readonly model: string | undefined;
  readonly kind: "answer" | "embedding";
  readonly reserved_input_tokens: number;
  readonly reserved_output_tokens: number;
  readonly reserved_cost: number | undefined;
  readonly price_version: string | undefined;
}

/** A row of `model_reservations` that is not in the database yet. */
export interface FoundReservation {
  readonly id: string;
  readonly organization_id: string | null;
  readonly board_id: string | null;
  readonly task_id: string | null;
  readonly user_id: string | null;
  readonly reserved_cost: number | null;
  readonly has_task_budget: boolean;
}

/**
 * Inserts reservations in one statement, and adds them to their budgets, if these have room for all
 * of them and nothing else to decide. Otherwise it inserts only those to which no budget applies,
 * and returns the others: their budgets have to be asked one after the other. The turn is the one
 * that the task's agent works on now; without one, the request counts for the person who created
 * the task.
 */
export async function reserveRequests(
  db: Pick<LedgerDatabase, "query">,
  rows: readonly NewReservation[],
  { defaultAmount }: { defaultAmount: number | undefined },
): Promise<FoundReservation[]> {
  const { rows: undecided } = await db.query<{ found: FoundReservation }>({
    name: "reserve_requests",
    text: insertReservations,
    values: [JSON.stringify(rows), defaultAmount],
  });
  return undecided.map(({ found }) => found);
}

export const reservationColumns = `id, request_id, server_id, server_start, organization_id, board_id, task_id, run_id,
  runner_id, turn_id, user_id, agent_type, tier, route, model, kind, reserved_input_tokens, reserved_output_tokens,
  reserved_cost, price_version`;

/**
 * Whether a budget has room for all requests of a batch, is in its current period, and has nothing
 * to report: cases in which `decideRequests` accepts every one and changes only the sum.
 */
const canReserve = `
  period_start = case period when 'total' then 'epoch'::timestamptz else date_trunc(period, now(), 'UTC') end
  and (amount is null or action = 'warn' or (not is_unpriced and spent + reserved + cost <= amount))
  and (amount is null or spent < amount * warn_share
    or (is_warned and (action <> 'warn' or is_limit_reported or spent < amount)))`;

/** The values of locked budgets are those that the last holder of the lock has committed. */
const insertReservations = `
  with found as materialized (
    select new.id, new.request_id, new.server_id, new.server_start,
      coalesce(new.organization_id, runner.organization_id) as organization_id,
      coalesce(task.board_id, runner.board_id) as board_id, new.task_id, new.run_id, new.runner_id,
      turn.id as turn_id, coalesce(turn.created_by, task.created_by, runner.owner_id) as user_id, new.agent_type,
      runner.tier, new.route, new.model, new.kind, new.reserved_input_tokens, new.reserved_output_tokens,
      new.reserved_cost, new.price_version
    from jsonb_to_recordset($1::jsonb) as new (
      id uuid, request_id text, server_id text, server_start uuid, organization_id uuid, task_id uuid, run_id uuid,
      runner_id uuid, agent_type text, route text, model text, kind text, reserved_input_tokens bigint,
      reserved_output_tokens bigint, reserved_cost bigint, price_version text)
    left join lateral (select * from runners where id = new.runner_id limit 1) runner on true
    left join lateral (select * from tasks where id = new.task_id limit 1) task on true
    left join lateral (select * from turns where task_id = new.task_id and state = 'RUNNING' limit 1) turn on true
  ),
  judged as materialized (
    select *, exists (select from budgets where target_id = task_id) as has_task_budget,
      ($2::bigint is not null and task_id is not null)
      or exists (select from budgets where target_id = any(array[task_id, board_id, user_id, organization_id]))
      as is_limited
    from found
  ),
  locked as materialized (
    select id, target_id, period, period_start, action, reserved, spent, warn_share, is_warned, is_limit_reported,
      ${createAmountExpression("$2::bigint")} as amount
    from budgets
    where target_id = any(array(
      select unnest(array[task_id, board_id, user_id, organization_id]) from judged where is_limited))
    order by id
    for update
  ),
  charges as materialized (
    select locked.id, sum(coalesce(reserved_cost, 0)) as cost, bool_or(reserved_cost is null) as is_unpriced
    from judged join locked on target_id in (task_id, board_id, user_id, organization_id)
    where is_limited
    group by locked.id
  ),
  decision as materialized (
    select not exists (select from judged where $2::bigint is not null and task_id is not null and not has_task_budget)
      and not exists (select from locked join charges using (id) where not (${canReserve})) as is_accepted
  ),
  charged as (
    update budgets set reserved = budgets.reserved + charges.cost
    from charges
    where budgets.id = charges.id and (select is_accepted from decision)
  ),
  inserted as (
    insert into model_reservations (${reservationColumns})
    select ${reservationColumns} from judged where not is_limited or (select is_accepted from decision)
  )
  select to_jsonb(judged) as found from judged where is_limited and not (select is_accepted from decision)`;
