import { WharfError } from "@wharf/contract";
import { type SQL, sql } from "drizzle-orm";
import { parseCursor } from "./pages.ts";

/** A column of a list's order. */
export interface OrderColumn {
  readonly name: string;
  readonly descending: boolean;
}

/** Forms of the columns by which lists are sorted, in the database's text format. */
const forms = { priority: "number", created_at: "time", updated_at: "time" } as const;
const types = { number: "integer", time: "timestamptz" } as const;
const getForm = ({ name }: OrderColumn) => forms[name as keyof typeof forms];

export const newestFirst: readonly OrderColumn[] = [{ name: "created_at", descending: true }];

/** Parses an order such as `-priority,created_at`. Rows with the same priority are newest first. */
export function parseOrder(sort: string): readonly OrderColumn[] {
  const columns = sort.split(",").map((part) => ({ name: part.replace("-", ""), descending: part.startsWith("-") }));
  return columns.length === 1 && columns[0]?.name === "priority" ? [...columns, ...newestFirst] : columns;
}

/** The id, in the direction of the last column, decides between equal rows: the order is total. */
const addId = (order: readonly OrderColumn[]): readonly OrderColumn[] => [
  ...order,
  { name: "id", descending: order.at(-1)?.descending === true },
];

export const orderBy = (order: readonly OrderColumn[]): SQL =>
  sql`order by ${sql.join(
    addId(order).map(({ name, descending }) => sql`${sql.identifier(name)} ${sql.raw(descending ? "desc" : "asc")}`),
    sql`, `,
  )}`;

const format = (order: readonly OrderColumn[]): string =>
  order.map(({ name, descending }) => (descending ? `-${name}` : name)).join(",");

/** A cursor of another order than the usual one begins with its order. */
export const createCursor = (order: readonly OrderColumn[], keys: readonly string[], id: string): readonly string[] => [
  ...(order === newestFirst ? [] : [format(order)]),
  ...keys,
  id,
];

/**
 * Creates the conditions on the rows after a cursor. A row matches at most one of them, and each is
 * a range of an index.
 */
export function createAfterConditions(order: readonly OrderColumn[], cursor: string | undefined): SQL[] {
  if (cursor === undefined) return [sql`true`];
  const keyForms = [...order.map(getForm), "uuid"] as const;
  const keys = parseCursor(cursor, order === newestFirst ? keyForms : ["order", ...keyForms]) ?? [];
  if (order === newestFirst) return [compare(addId(order), keys)];
  if (keys[0] !== format(order))
    throw new WharfError("bad_request", {
      issues: [{ path: "cursor", message: "is the cursor of another order: keep `sort` from page to page" }],
    });
  const columns = addId(order);
  const values = keys.slice(1);
  const [first, ...rest] = columns;
  if (!first || rest.every(({ descending }) => descending === first.descending)) return [compare(columns, values)];
  const isSame = sql`${sql.identifier(first.name)} = ${toValue(first, values[0])}`;
  return [sql`${isSame} and ${compare(rest, values.slice(1))}`, compare([first], values)];
}

const toValue = (column: OrderColumn, text = ""): SQL =>
  sql`${text}::${sql.raw(column.name === "id" ? "uuid" : types[getForm(column)])}`;

/** Compares columns of the same direction as a row, which an index finds directly. */
function compare(columns: readonly OrderColumn[], values: readonly string[]): SQL {
  const names = columns.map(({ name }) => sql.identifier(name));
  const keys = columns.map((column, i) => toValue(column, values[i]));
  const operator = sql.raw(columns[0]?.descending ? "<" : ">");
  return sql`(${sql.join(names, sql`, `)}) ${operator} (${sql.join(keys, sql`, `)})`;
}
