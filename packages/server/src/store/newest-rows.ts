import { type SQL, sql } from "drizzle-orm";
import type { Executor } from "./database.ts";
import { createAfterConditions, createCursor, newestFirst, orderBy, type OrderColumn } from "./list-order.ts";
import type { PageQuery } from "./pages.ts";

/** The position of a row in a list. */
export interface RowKey {
  readonly id: string;
  readonly cursor: readonly string[];
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
  /** The order of the rows. @default newest first */
  readonly order?: readonly OrderColumn[];
  /** The states whose rows the list has: each is read through an index that begins with it. */
  readonly states?: readonly string[] | undefined;
}

/**
 * Selects the rows on the boards, in the order of the list. Each board, or each state on it, is
 * read through an index in this order, and only as far as the page needs: a page costs the same at
 * any offset and regardless of the rows of other boards.
 */
function createRowsQuery(
  { table, where, boards, boardId, own: ownedCondition, order = newestFirst, states }: NewestQuery,
  { limit, after }: { limit: number; after: readonly SQL[] },
): SQL {
  const columns = sql.join(
    order.map(({ name }) => sql.identifier(name)),
    sql`, `,
  );
  const createSelect = (whose: SQL) => {
    const selects = after.map(
      (isAfter) =>
        sql`(select id, ${columns} from ${sql.identifier(table)} where ${whose} and ${where} and ${isAfter} ${orderBy(order)} limit ${limit})`,
    );
    return sql.join(selects, sql` union all `);
  };
  const parts = states ? sql`boards cross join unnest(${sql.param(states)}::text[]) listed_state` : sql`boards`;
  const inPart = states ? sql`board_id = boards.id and state = listed_state` : sql`board_id = boards.id`;
  const onBoards = sql`
    select page.* from ${parts} cross join lateral (${createSelect(inPart)}) page
    where ${boards} and ${boardId === undefined ? sql`true` : sql`boards.id = ${boardId}`}`;
  return ownedCondition ? sql`${createSelect(ownedCondition)} union all (${onBoards})` : onBoards;
}

/** Reads the keys of one page and of the row after it, if there is one. */
export async function readNewestKeys(db: Executor, newest: NewestQuery, page: PageQuery): Promise<RowKey[]> {
  const { limit, offset = 0 } = page;
  const { order = newestFirst } = newest;
  const after = createAfterConditions(order, page.cursor);
  const texts = sql.join(
    order.map(({ name }) => sql`${sql.identifier(name)}::text`),
    sql`, `,
  );
  const { rows } = await db.execute<{ id: string; keys: string[] }>(sql`
    select id, array[${texts}] as keys from (${createRowsQuery(newest, { limit: limit + offset + 1, after })}) listed
    ${orderBy(order)} limit ${limit + 1} offset ${offset}`);
  return rows.map(({ id, keys }) => ({ id, cursor: createCursor(order, keys, id) }));
}

/** Counts the rows, up to a bound. */
export async function countNewest(
  db: Executor,
  newest: NewestQuery,
  bound: number,
): Promise<{ total: number; total_capped?: true }> {
  const counted = createRowsQuery(newest, { limit: bound + 1, after: [sql`true`] });
  const { rows } = await db.execute<{ n: number }>(sql`
    select count(*)::int as n from (select 1 from (${counted}) listed limit ${bound + 1}) counted`);
  const n = rows[0]?.n ?? 0;
  return n > bound ? { total: bound, total_capped: true } : { total: n };
}

/** Sorts rows that were read by their ids into the order of their keys. */
export function sortByKeys<T extends { readonly id: string }>(
  rows: readonly T[],
  keys: readonly Pick<RowKey, "id">[],
): T[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return keys.flatMap(({ id }) => byId.get(id) ?? []);
}

/** Creates a function that returns the cursor after a row of the page with these keys. */
export const createCursorLookup =
  (keys: readonly RowKey[]) =>
  ({ id }: { readonly id: string }): readonly string[] =>
    keys.find((key) => key.id === id)?.cursor ?? [];
