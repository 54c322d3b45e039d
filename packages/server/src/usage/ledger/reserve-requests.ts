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
 * Inserts reservations to which no budget applies, and returns the others: their budgets have to be
 * asked first. The turn is the one that the task's agent works on now; without one, the request
 * counts for the person who created the task.
 */
export async function reserveRequests(
  db: LedgerDatabase,
  rows: readonly NewReservation[],
  { isEachTaskLimited }: { isEachTaskLimited: boolean },
): Promise<FoundReservation[]> {
  const values = [JSON.stringify(rows), isEachTaskLimited];
  const { rows: limited } = await db.query<{ found: FoundReservation }>({
    name: "reserve_requests",
    text: insertReservations,
    values,
  });
  return limited.map(({ found }) => found);
}

export const reservationColumns = `id, request_id, server_id, server_start, organization_id, board_id, task_id, run_id,
  runner_id, turn_id, user_id, agent_type, tier, route, model, kind, reserved_input_tokens, reserved_output_tokens,
  reserved_cost, price_version`;

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
      ($2::boolean and task_id is not null)
      or exists (select from budgets where target_id = any(array[task_id, board_id, user_id, organization_id]))
      as is_limited
    from found
  ),
  inserted as (
    insert into model_reservations (${reservationColumns})
    select ${reservationColumns} from judged where not is_limited
  )
  select to_jsonb(judged) as found from judged where is_limited`;
