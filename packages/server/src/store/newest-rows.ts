import { type SQL, sql } from "drizzle-orm";
import type { Executor } from "./database.ts";
import { type PageQuery, parseCursor } from "./pages.ts";

/** The position of a row in a list. */
export interface RowKey {
  readonly id: string;
  /** The time the row was created, in the database's text format. */
  readonly at: string;
}

export interface NewestQuery {
  readonly table: "tasks" | "runs" | "runners";
  /** The condition on rows, apart from their owner. */
  readonly where: SQL;
  /** The condition on boards whose rows the list has. */
  readonly boards: SQL;
  readonly boardId?: string | undefined;
  /** The condition on rows that belong to a person directly and to no board. */
  readonly own?: SQL;
}

const newestFirst = sql`order by created_at desc, id desc`;

/**
 * Selects the rows on the boards, newest first. Each board is read through an index in this
 * order, and only as far as the page needs: a page costs the same at any offset and regardless of
 * the rows of other boards.
 */
function createRowsQuery(
  { table, where, boards, boardId, own: ownedCondition }: NewestQuery,
  { limit, after: cursorCondition }: { limit: number; after: SQL },
): SQL {
  const createSelect = (whose: SQL) =>
    sql`select id, created_at from ${sql.identifier(table)} where ${whose} and ${where} and ${cursorCondition} ${newestFirst} limit ${limit}`;
  const onBoards = sql`
    select page.id, page.created_at from boards cross join lateral (${createSelect(sql`board_id = boards.id`)}) page
    where ${boards} and ${boardId === undefined ? sql`true` : sql`boards.id = ${boardId}`}`;
  return ownedCondition ? sql`(${createSelect(ownedCondition)}) union all (${onBoards})` : onBoards;
}

/** Reads the keys of one page and of the row after it, if there is one. */
export async function readNewestKeys(db: Executor, newest: NewestQuery, page: PageQuery): Promise<RowKey[]> {
  const { limit, offset = 0 } = page;
  const cursor = parseCursor(page.cursor, ["time", "uuid"]);
  const cursorCondition = cursor ? sql`(created_at, id) < (${cursor[0]}::timestamptz, ${cursor[1]}::uuid)` : sql`true`;
  const { rows } = await db.execute<{ id: string; at: string }>(sql`
    select id, created_at::text as at from (${createRowsQuery(newest, { limit: limit + offset + 1, after: cursorCondition })}) listed
    ${newestFirst} limit ${limit + 1} offset ${offset}`);
  return rows;
}

/** Counts the rows, up to a bound. */
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

/** Sorts rows that were read by their ids into the order of their keys. */
export function sortByKeys<T extends { readonly id: string }>(rows: readonly T[], keys: readonly RowKey[]): T[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return keys.flatMap(({ id }) => byId.get(id) ?? []);
}

/** Creates a function that returns the cursor after a row of the page with these keys. */
export const createCursorLookup =
  (keys: readonly RowKey[]) =>
  ({ id }: { readonly id: string }): [string, string] => [keys.find((key) => key.id === id)?.at ?? "", id];
