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

const Keys = z.array(z.string().max(100));
const forms = {
  number: /^-?\d{1,15}$/,
  time: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/,
  order: /^[a-z_,-]{1,60}$/,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
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

/** Ends a page. The rows include one more than the limit if there is one. */
export function toPage<T>(
  rows: readonly T[],
  { limit, cursorAfter }: { limit: number; cursorAfter: (row: T) => Cursor },
): { rows: T[]; next_cursor?: string } {
  const sizes = rows.map((row) => Buffer.byteLength(JSON.stringify(row)));
  const pageRows = rows.slice(0, countPageRows(sizes, limit));
  const last = pageRows.at(-1);
  return pageRows.length < rows.length && last
    ? { rows: pageRows, next_cursor: formatCursor(cursorAfter(last)) }
    : { rows: pageRows };
}
