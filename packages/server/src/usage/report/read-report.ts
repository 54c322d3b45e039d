import { defaultReportDays } from "@wharf/contract";
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../store/index.ts";

export interface Group {
  /** What rows are grouped by. */
  readonly key: SQL;
  /** The key as text. */
  readonly text?: SQL;
  /** The name of what the key stands for, if it still exists. */
  readonly name?: SQL;
}

/** The groups that all reports have. */
export const commonGroups = {
  hour: { key: sql`hour`, text: sql`to_char(key at time zone 'UTC', 'YYYY-MM-DD"T"HH24":00:00Z"')` },
  day: { key: sql`date_trunc('day', hour, 'UTC')`, text: sql`to_char(key at time zone 'UTC', 'YYYY-MM-DD')` },
  task: { key: sql`task_id`, name: sql`select title from tasks where id = key and deleted_at is null` },
  board: { key: sql`board_id`, name: sql`select name from boards where id = key and deleted_at is null` },
  user: { key: sql`user_id`, name: sql`select username from users where id = key` },
  run: { key: sql`run_id` },
  agent_type: { key: sql`agent_type` },
  tier: { key: sql`tier` },
} as const satisfies Readonly<Record<string, Group>>;

/** The group of a report that has only a total. */
const noGroup: Group = { key: sql`null::text` };

interface ReportRequest<GroupName extends string> {
  readonly group_by?: GroupName | undefined;
  readonly limit: number;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Whole hours. */
export interface ReportTimes {
  readonly from: string;
  readonly to: string | undefined;
}

export interface ReportSource<GroupName extends string> {
  /** Selects sums by hour, of many organisations: a table, or a query that the times restrict. */
  readonly selectHours: (times: ReportTimes, group: GroupName | undefined) => SQL;
  readonly groups: Readonly<Record<GroupName, Group>>;
  /** The columns of a row; of no rows, their values are zero. */
  readonly sums: SQL;
  /** The order of rows that do not stand for times. */
  readonly order: SQL;
  /** The condition on rows that the reader sees. */
  readonly visible: SQL;
  /** Values of columns that select what counts. */
  readonly filters: Readonly<Record<string, string | undefined>>;
}

// An interface would not be a record, which the database requires.
type KeyColumns = Readonly<{ key: unknown; key_text: string | null; name: string | null; is_total: number }>;

/** Sums up the hours of an organisation, in whole hours, with a row for each group and a total. */
export async function readReport<Sums extends Record<string, unknown>, GroupName extends string>(
  db: Database,
  source: ReportSource<GroupName>,
  { group_by, limit, ...times }: ReportRequest<GroupName>,
) {
  const to = times.to === undefined ? undefined : endOfHour(times.to);
  const from = startOfHour(times.from ?? getDefaultStart(times.to));
  const {
    key,
    text = sql`key::text`,
    name = sql`null`,
  }: Group = group_by === undefined ? noGroup : source.groups[group_by];
  const order = group_by === "hour" || group_by === "day" ? sql`key` : sql`${source.order}, key`;
  // One row more than the limit shows that there are more.
  const { rows } = await db.execute<KeyColumns & Sums>(sql`
    select *, ${text} as key_text, case when is_total = 0 then (${name}) end as name from (
      select key, grouping(key) as is_total, ${source.sums}
      from (select *, ${key} as key from ${source.selectHours({ from, to }, group_by)} where ${createCondition(source, { from, to })}) counted
      group by grouping sets ((key), ())
      order by is_total desc, ${order}
      limit ${limit + 2}
    ) grouped
    order by is_total desc, ${order}`);
  const [total, ...grouped] = rows;
  return {
    from,
    ...(to !== undefined && { to }),
    ...(group_by !== undefined && { group_by }),
    rows: group_by === undefined ? [] : grouped.slice(0, limit).map(toRow),
    truncated: group_by !== undefined && grouped.length > limit,
    total: toSums(total!),
  };
}

function createCondition(
  { visible, filters }: Pick<ReportSource<string>, "visible" | "filters">,
  { from, to }: ReportTimes,
): SQL {
  const conditions = [visible, sql`hour >= ${from}`];
  if (to !== undefined) conditions.push(sql`hour < ${to}`);
  for (const [column, value] of Object.entries(filters))
    if (value !== undefined) conditions.push(sql`${sql.identifier(column)} = ${value}`);
  return sql.join(conditions, sql` and `);
}

const hourMs = 3_600_000;
const startOfHour = (time: string): string => new Date(Math.floor(Date.parse(time) / hourMs) * hourMs).toISOString();
const endOfHour = (time: string): string => new Date(Math.ceil(Date.parse(time) / hourMs) * hourMs).toISOString();

/** A report over all time would read more with each year. */
function getDefaultStart(to: string | undefined): string {
  const endMs = to === undefined ? Date.now() : Date.parse(to);
  return new Date(Math.max(0, endMs - defaultReportDays * 24 * hourMs)).toISOString();
}

const toSums = <Sums extends Record<string, unknown>>(row: KeyColumns & Sums) => {
  const { key: _key, key_text: _text, name: _name, is_total: _total, ...sums } = row;
  return sums;
};

const toRow = <Sums extends Record<string, unknown>>(row: KeyColumns & Sums) => ({
  ...toSums(row),
  key: row.key_text,
  ...(row.name !== null && { name: row.name }),
});
