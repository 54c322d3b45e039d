import { WharfError } from "@wharf/contract";
import { z } from "zod";
import { parseJson } from "../std/json.ts";

/** The requested part of a list. */
export interface PageQuery {
  readonly limit: number;
  readonly offset?: number | undefined;
  readonly cursor?: string | undefined;
}

/**
 * The server converts answers to JSON in one step: a page ends at this size, so that no request
 * blocks the others.
 */
export const maxPageBytes = 1 << 20;

/**
 * The sort key of a page's last row, in the database's text format: a JavaScript date would round
 * its time.
 */
export type Cursor = readonly string[];

/** Names of boards are the longest keys. */
const Keys = z.array(z.string().max(300));
const forms: Readonly<Record<"number" | "time" | "order" | "uuid" | "text", Pick<RegExp, "test">>> = {
  number: /^-?\d{1,15}$/,
  time: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/,
  order: /^[a-z_,-]{1,60}$/,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  // PostgreSQL stores no other text.
  text: { test: (text) => !text.includes("\0") },
};

export const formatCursor = (keys: Cursor): string => Buffer.from(JSON.stringify(keys)).toString("base64url");

/** A cursor is untrusted input: each of its keys must have the form that the database expects. */
export function parseCursor<const F extends readonly (keyof typeof forms)[]>(
  text: string | undefined,
  expected: F,
): { [I in keyof F]: string } | undefined {
  if (text === undefined) return undefined;
  const keys = Keys.safeParse(parseJson(Buffer.from(text, "base64url").toString())).data;
  if (keys?.length !== expected.length || !expected.every((form, i) => forms[form].test(keys[i] ?? "")))
    throw new WharfError("bad_request", { issues: [{ path: "cursor", message: "is not the cursor of this list" }] });
  return keys as { [I in keyof F]: string };
}

/**
 * Returns how many of these rows form a page: at least one, and no more than requested or than fit.
 */
export function countPageRows(sizes: readonly number[], limit: number): number {
  let bytes = 0;
  let count = 0;
  for (const size of sizes.slice(0, limit)) {
    bytes += size;
    if (bytes > maxPageBytes && count > 0) break;
    count++;
  }
  return count;
}

/** A part of a list, with the cursor of the next one unless it is the last. */
export interface Page<T> {
  readonly rows: T[];
  readonly next_cursor?: string;
}

/** Converts the rows of a page. */
export const mapPage = <T, U>({ rows, ...end }: Page<T>, convert: (row: T) => U): Page<U> => ({
  rows: rows.map(convert),
  ...end,
});

/** Gives the rows of a page the name that they have in the answer of a route. */
export const nameRows = <const Name extends string, T>(
  name: Name,
  { rows, ...end }: Page<T>,
): Readonly<Record<Name, readonly T[]>> & Omit<Page<T>, "rows"> => ({ ...nameValue(name, rows), ...end });

/** The type of a computed name is any text. */
const nameValue = <const Name extends string, V>(name: Name, value: V) =>
  ({ [name]: value }) as Readonly<Record<Name, V>>;

/** Ends a page. The rows include one more than the limit if there is one. */
export function toPage<T>(
  rows: readonly T[],
  { limit, cursorAfter }: { limit: number; cursorAfter: (row: T) => Cursor },
): Page<T> {
  const sizes = rows.map((row) => Buffer.byteLength(JSON.stringify(row)));
  const pageRows = rows.slice(0, countPageRows(sizes, limit));
  const last = pageRows.at(-1);
  return pageRows.length < rows.length && last
    ? { rows: pageRows, next_cursor: formatCursor(cursorAfter(last)) }
    : { rows: pageRows };
}
