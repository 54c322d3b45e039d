import type { TokenUsage } from "../token-usage.ts";
import type { LedgerDatabase } from "./ledger-database.ts";

/** The end of a reserved request. */
export interface Settlement extends Omit<TokenUsage, "exact" | "implausible"> {
  readonly id: string;
  readonly status: number;
  readonly upstream: string | undefined;
  readonly duration_ms: number;
  readonly cost: number | undefined;
  readonly estimated: boolean;
  readonly implausible: string | undefined;
}

const reservedColumns = `id, organization_id, board_id, task_id, run_id, turn_id, user_id, agent_type, tier, route,
  model, request_id, runner_id, kind, reserved_input_tokens, reserved_output_tokens, reserved_cost,
  price_version, server_id, reserved_at`;
const outcomeColumns = `input_tokens, cached_tokens, cache_write_tokens, long_cache_write_tokens, output_tokens,
  thinking_tokens, cost, status, upstream, duration_ms, estimated, implausible`;
const sums = {
  requests: "count(*)",
  failed_requests: "count(*) filter (where status not between 200 and 299)",
  estimated_requests: "count(*) filter (where estimated)",
  implausible_requests: "count(*) filter (where implausible is not null)",
  unpriced_requests: "count(*) filter (where cost is null)",
  input_tokens: "sum(input_tokens)",
  cached_tokens: "sum(cached_tokens)",
  cache_write_tokens: "sum(cache_write_tokens)",
  long_cache_write_tokens: "sum(long_cache_write_tokens)",
  output_tokens: "sum(output_tokens)",
  thinking_tokens: "sum(thinking_tokens)",
  cost: "coalesce(sum(cost), 0)",
  duration_ms: "sum(duration_ms)",
};
const sumColumns = Object.keys(sums);
/** What all requests of one run, turn, route and model have in common. */
const commonColumns = ["organization_id", "board_id", "task_id", "user_id", "agent_type", "tier"];

/**
 * Creates the statement that moves reservations to the ledger and adds them to the sums of their
 * hours. Only the statement that deletes a reservation writes its row, so a request is settled
 * once, by whichever server. The sums are locked in the order of their keys, and after them the
 * budgets: two statements never wait for each other. A budget counts only the requests of its
 * period, which may have changed before its row was locked.
 *
 * @param ended Common table expressions, of which `ended` has the columns of the ledger.
 */
const createMoveStatement = (ended: string) => `
  with ${ended},
  entries as (
    insert into model_requests (${reservedColumns}, ${outcomeColumns})
    select ${reservedColumns}, ${outcomeColumns} from ended
    returning *
  ),
  hours as (
    insert into usage_hours (hour, run_id, turn_id, route, model, ${[...commonColumns, ...sumColumns].join(", ")})
    select date_trunc('hour', reserved_at, 'UTC'), run_id, turn_id, route, model,
      ${commonColumns.map((column) => `(array_agg(${column}))[1]`).join(", ")},
      ${Object.values(sums).join(", ")}
    from entries
    group by 1, run_id, turn_id, route, model
    order by run_id, 1, turn_id, route, model
    on conflict (run_id, hour, turn_id, route, model) do update set
      ${sumColumns.map((column) => `${column} = usage_hours.${column} + excluded.${column}`).join(", ")}
    returning hour
  ),
  locked as materialized (
    select id, target_id, period_start from budgets
    where (select count(*) from hours) > 0 and target_id = any(array(
      select unnest(array[task_id, board_id, user_id, organization_id]) from entries))
    order by id
    for update
  ),
  charges as (
    select locked.id, sum(coalesce(reserved_cost, 0)) as reserved, sum(coalesce(cost, 0)) as spent
    from entries join locked on reserved_at >= period_start
      and target_id in (task_id, board_id, user_id, organization_id)
    group by locked.id
  ),
  charged as (
    update budgets set reserved = budgets.reserved - charges.reserved, spent = budgets.spent + charges.spent
    from charges where budgets.id = charges.id
  )
  select from entries`;

const moveSettled = createMoveStatement(`
  settlement as (
    select * from jsonb_to_recordset($1::jsonb) as one (
      id uuid, status int, upstream text, duration_ms bigint, input_tokens bigint, cached_tokens bigint, cache_write_tokens bigint,
      long_cache_write_tokens bigint, output_tokens bigint, thinking_tokens bigint, cost bigint, estimated boolean,
      implausible text)
  ),
  reservation as (
    delete from model_reservations where id = any(array(select id from settlement)) returning ${reservedColumns}
  ),
  ended as (select * from reservation join settlement using (id))`);

/** Settles requests. Those that are settled already stay as they are. */
export async function settleRequests(
  db: Pick<LedgerDatabase, "query">,
  settlements: readonly Settlement[],
): Promise<void> {
  await db.query({ name: "settle_requests", text: moveSettled, values: [JSON.stringify(settlements)] });
}

const createAbandonedStatement = (isAbandoned: string) =>
  createMoveStatement(`
  abandoned as (
    delete from model_reservations
    where id = any(array(select id from model_reservations where ${isAbandoned} limit $1 for update skip locked))
    returning ${reservedColumns}
  ),
  ended as (
    select *, reserved_input_tokens as input_tokens, 0 as cached_tokens, 0 as cache_write_tokens,
      0 as long_cache_write_tokens, reserved_output_tokens as output_tokens, 0 as thinking_tokens,
      reserved_cost as cost, 0 as status, null::text as upstream, 0 as duration_ms, true as estimated, null::text as implausible
    from abandoned
  )`);

const moveFormer = createAbandonedStatement("server_id = $2 and server_start <> $3");
const moveAbandoned = createAbandonedStatement(`
  reserved_at < now() - make_interval(secs => $2) and not exists (
    select from servers
    where servers.id = model_reservations.server_id and seen_at > now() - make_interval(secs => $2))`);

/** Requests that one statement settles. */
const maxAbandoned = 500;

/**
 * Settles what former processes of a server left behind; only one process has its name. What these
 * requests used is unknown, so they count with all that was reserved.
 */
export async function settleFormerRequests(
  db: LedgerDatabase,
  { serverId, serverStart }: { serverId: string; serverStart: string },
): Promise<number> {
  for (let total = 0; ;) {
    const { rowCount } = await db.query({ text: moveFormer, values: [maxAbandoned, serverId, serverStart] });
    total += rowCount ?? 0;
    if (rowCount !== maxAbandoned) return total;
  }
}

/**
 * Settles some requests of servers without a heartbeat for this long, with all that was reserved.
 * Returns whether there may be more.
 */
export async function settleAbandonedRequests(db: LedgerDatabase, silentSeconds: number): Promise<boolean> {
  const { rowCount } = await db.query({ text: moveAbandoned, values: [maxAbandoned, silentSeconds] });
  return rowCount === maxAbandoned;
}
