import { type SQL, sql } from "drizzle-orm";
import type { Executor } from "./database.ts";
import { type PageQuery, parseCursor } from "./pages.ts";

/** Where a row stands in a list. */
export interface RowKey {
  readonly id: string;
  /** The time it was created, in the database's own words. */
  readonly at: string;
}

export interface NewestQuery {
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
function createRowsQuery(
  { table, where, ownerId, boardId, own: ownedCondition }: NewestQuery,
  { limit, after: cursorCondition }: { limit: number; after: SQL },
): SQL {
  const createSelect = (whose: SQL) =>
    sql`select id, created_at from ${sql.identifier(table)} where ${whose} and ${where} and ${cursorCondition} ${newestFirst} limit ${limit}`;
  const onBoards = sql`
    select page.id, page.created_at from boards cross join lateral (${createSelect(sql`board_id = boards.id`)}) page
    where boards.owner_id = ${ownerId} and boards.deleted_at is null
      and ${boardId === undefined ? sql`true` : sql`boards.id = ${boardId}`}`;
  return ownedCondition ? sql`(${createSelect(ownedCondition)}) union all (${onBoards})` : onBoards;
}

/** The keys of one page and of the row after it, where there is one. */
export async function readNewestKeys(db: Executor, newest: NewestQuery, page: PageQuery): Promise<RowKey[]> {
  const { limit, offset = 0 } = page;
  const cursor = parseCursor(page.cursor, ["time", "uuid"]);
  const cursorCondition = cursor ? sql`(created_at, id) < (${cursor[0]}::timestamptz, ${cursor[1]}::uuid)` : sql`true`;
  const { rows } = await db.execute<{ id: string; at: string }>(sql`
    select id, created_at::text as at from (${createRowsQuery(newest, { limit: limit + offset + 1, after: cursorCondition })}) listed
    ${newestFirst} limit ${limit + 1} offset ${offset}`);
  return rows;
}

/** How many there are, counted no further than up to a bound. */
export async function countNewest(
  db: Executor,
  newest: NewestQuery,
  bound: number,
): Promise<{ total: number; total_capped?: true }> {
  const counted = createRowsQuery(newest, { limit: bound + 1, after: sql`true` });
  const { rows } = await db.execute<{ n: number }>(sql`
    select count(*)::int as n from (select 1 from (${counted}) listed limit ${bound + 1}) counted`);
  const n = rows[0]?.n ?? 0;
  return n > bound ? { total: bound, total_capped: true } : { total: n };
}

/** Brings rows that were read by their ids into the order of their keys. */
export function sortByKeys<T extends { readonly id: string }>(rows: readonly T[], keys: readonly RowKey[]): T[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return keys.flatMap(({ id }) => byId.get(id) ?? []);
}

/** The cursor behind a row of the page that these keys are of. */
export const createCursorLookup =
  (keys: readonly RowKey[]) =>
  ({ id }: { readonly id: string }): [string, string] => [keys.find((key) => key.id === id)?.at ?? "", id];
