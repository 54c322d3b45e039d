import { type SQL, sql } from "drizzle-orm";
import type { Executor } from "./database.ts";
import { type PageQuery, parseCursor } from "./pages.ts";

/** Where a row stands in a list. */
export interface Key {
  readonly id: string;
  /** The time it was created, in the database's own words. */
  readonly at: string;
}

export interface Newest {
  readonly table: "tasks" | "runs" | "runners";
  /** Which rows, besides whose they are. */
  readonly where: SQL;
  readonly ownerId: string;
  readonly boardId?: string | undefined;
  /** Rows that are the person's by themselves, on no board. */
  readonly own?: SQL;
}

const newestFirst = sql`order by created_at desc, id desc`;

/**
 * The rows on a person's boards, newest first. Each board is read by an index that has them in this order, and no
 * further than the page goes: a page costs the same wherever it lies and however many rows others have.
 */
function selectRows(
  { table, where, ownerId, boardId, own }: Newest,
  { limit, after }: { limit: number; after: SQL },
): SQL {
  const rows = (whose: SQL) =>
    sql`select id, created_at from ${sql.identifier(table)} where ${whose} and ${where} and ${after} ${newestFirst} limit ${limit}`;
  const onBoards = sql`
    select page.id, page.created_at from boards cross join lateral (${rows(sql`board_id = boards.id`)}) page
    where boards.owner_id = ${ownerId} and boards.deleted_at is null
      and ${boardId === undefined ? sql`true` : sql`boards.id = ${boardId}`}`;
  return own ? sql`(${rows(own)}) union all (${onBoards})` : onBoards;
}

/** The keys of one page and of the row after it, where there is one. */
export async function readNewestKeys(db: Executor, newest: Newest, page: PageQuery): Promise<Key[]> {
  const { limit, offset = 0 } = page;
  const cursor = parseCursor(page.cursor, ["time", "uuid"]);
  const after = cursor ? sql`(created_at, id) < (${cursor[0]}::timestamptz, ${cursor[1]}::uuid)` : sql`true`;
  const { rows } = await db.execute<{ id: string; at: string }>(sql`
    select id, created_at::text as at from (${selectRows(newest, { limit: limit + offset + 1, after })}) listed
    ${newestFirst} limit ${limit + 1} offset ${offset}`);
  return rows;
}

/** How many there are, counted no further than up to a bound. */
export async function countNewest(
  db: Executor,
  newest: Newest,
  bound: number,
): Promise<{ total: number; total_capped?: true }> {
  const counted = selectRows(newest, { limit: bound + 1, after: sql`true` });
  const { rows } = await db.execute<{ n: number }>(sql`
    select count(*)::int as n from (select 1 from (${counted}) listed limit ${bound + 1}) counted`);
  const n = rows[0]?.n ?? 0;
  return n > bound ? { total: bound, total_capped: true } : { total: n };
}

/** Brings rows that were read by their ids into the order of their keys. */
export function sortByKeys<T extends { readonly id: string }>(rows: readonly T[], keys: readonly Key[]): T[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return keys.flatMap(({ id }) => byId.get(id) ?? []);
}

/** The cursor behind a row of the page that these keys are of. */
export const cursorAmong =
  (keys: readonly Key[]) =>
  ({ id }: { readonly id: string }): [string, string] => [keys.find((key) => key.id === id)?.at ?? "", id];
