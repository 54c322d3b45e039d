import type { UsageGroup, UsageQuery, UsageReport, UsageRow, UsageSums } from "@wharf/contract";
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../store/index.ts";

interface Group {
  /** What rows are grouped by. */
  readonly key: SQL;
  /** The key as text. */
  readonly text?: SQL;
  /** The name of what the key stands for, if it still exists. */
  readonly name?: SQL;
}

const groups: { readonly [Name in UsageGroup]: Group } = {
  hour: { key: sql`hour`, text: sql`to_char(key at time zone 'UTC', 'YYYY-MM-DD"T"HH24":00:00Z"')` },
  day: { key: sql`date_trunc('day', hour, 'UTC')`, text: sql`to_char(key at time zone 'UTC', 'YYYY-MM-DD')` },
  task: { key: sql`task_id`, name: sql`select title from tasks where id = key and deleted_at is null` },
  board: { key: sql`board_id`, name: sql`select name from boards where id = key and deleted_at is null` },
  user: { key: sql`user_id`, name: sql`select username from users where id = key` },
  run: { key: sql`run_id` },
  turn: { key: sql`turn_id` },
  agent_type: { key: sql`agent_type` },
  tier: { key: sql`tier` },
  route: { key: sql`route` },
  model: { key: sql`model` },
};
/** The group of a report that has only a total. */
const noGroup: Group = { key: sql`null::text` };
const sums = sql`
  sum(requests)::float8 as requests, sum(failed_requests)::float8 as failed_requests,
  sum(estimated_requests)::float8 as estimated_requests, sum(implausible_requests)::float8 as implausible_requests,
  sum(unpriced_requests)::float8 as unpriced_requests, sum(input_tokens)::float8 as input_tokens,
  sum(cached_tokens)::float8 as cached_tokens, sum(cache_write_tokens)::float8 as cache_write_tokens,
  sum(output_tokens)::float8 as output_tokens, sum(thinking_tokens)::float8 as thinking_tokens,
  (sum(cost) / 1000000)::float8 as cost_usd, sum(duration_ms)::float8 as duration_ms`;

const noUsage: UsageSums = {
  requests: 0,
  failed_requests: 0,
  estimated_requests: 0,
  implausible_requests: 0,
  unpriced_requests: 0,
  input_tokens: 0,
  cached_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 0,
  thinking_tokens: 0,
  cost_usd: 0,
  duration_ms: 0,
};

interface GroupedRow extends Record<string, unknown>, UsageSums {
  readonly key: unknown;
  readonly key_text: string | null;
  readonly name: string | null;
  readonly is_total: number;
}

/** Sums up the ledger, by its hours. */
export class UsageReports {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async read(organizationId: string, query: UsageQuery): Promise<UsageReport> {
    const { group_by, limit } = query;
    const [from, to] = [startOfHour(query.from), endOfHour(query.to)];
    const rows = await this.#readRows(createCondition(organizationId, { ...query, from, to }), group_by, limit);
    const total = rows.find(({ is_total }) => is_total === 1);
    const grouped = group_by === undefined ? [] : rows.filter(({ is_total }) => is_total === 0);
    return {
      ...(from !== undefined && { from }),
      ...(to !== undefined && { to }),
      ...(group_by !== undefined && { group_by }),
      rows: grouped.slice(0, limit).map(toRow),
      truncated: grouped.length > limit,
      total: total?.requests ? toSums(total) : noUsage,
    };
  }

  /** Reads the total, and one row more than the limit if there are so many. */
  async #readRows(condition: SQL, group: UsageGroup | undefined, limit: number): Promise<GroupedRow[]> {
    const { key, text = sql`key::text`, name = sql`null` } = group === undefined ? noGroup : groups[group];
    const order = group === "hour" || group === "day" ? sql`key` : sql`cost_usd desc, requests desc, key`;
    const { rows } = await this.#db.execute<GroupedRow>(sql`
      select *, ${text} as key_text, case when is_total = 0 then (${name}) end as name from (
        select key, grouping(key) as is_total, ${sums}
        from (select *, ${key} as key from usage_hours where ${condition}) counted
        group by grouping sets ((key), ())
        order by is_total desc, ${order}
        limit ${limit + 2}
      ) grouped
      order by is_total desc, ${order}`);
    return rows;
  }
}

function createCondition(organizationId: string, query: UsageQuery): SQL {
  const { from, to, task_id, board_id, user_id, run_id, agent_type, route, model } = query;
  const conditions = [sql`organization_id = ${organizationId}`];
  if (from !== undefined) conditions.push(sql`hour >= ${from}`);
  if (to !== undefined) conditions.push(sql`hour < ${to}`);
  const fields = { task_id, board_id, user_id, run_id, agent_type, route, model };
  for (const [field, value] of Object.entries(fields))
    if (value !== undefined) conditions.push(sql`${sql.identifier(field)} = ${value}`);
  return sql.join(conditions, sql` and `);
}

const hourMs = 3_600_000;
const startOfHour = (time: string | undefined): string | undefined =>
  time === undefined ? undefined : new Date(Math.floor(Date.parse(time) / hourMs) * hourMs).toISOString();
const endOfHour = (time: string | undefined): string | undefined =>
  time === undefined ? undefined : new Date(Math.ceil(Date.parse(time) / hourMs) * hourMs).toISOString();

function toSums({ key: _key, key_text: _text, name: _name, is_total: _total, ...sumsOfRow }: GroupedRow): UsageSums {
  return sumsOfRow;
}

const toRow = (row: GroupedRow): UsageRow => ({
  ...toSums(row),
  key: row.key_text,
  ...(row.name !== null && { name: row.name }),
});
