import { sql } from "drizzle-orm";
import { bigint, type ExtraConfigColumn, integer, timestamp } from "drizzle-orm/pg-core";

/**
 * Timestamps of every row. `updated_at` is the last change by a person or a state machine;
 * statements that renew a lease, move a cursor or append to a log leave it unchanged, so that it is
 * useful for sorting and comparing.
 */
export const stamps = {
  created_at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  updated_at: timestamp({ withTimezone: true }).notNull().defaultNow(),
};

/**
 * The number of a row's changes. A trigger raises it, so that no statement can forget it. Callers
 * name the version that they read, and the change of a newer one is refused.
 */
export const version = integer().notNull().default(1);

export const createTimeColumn = () => timestamp({ withTimezone: true });
export const createNumberColumn = () => bigint({ mode: "number" });
/** Stands for a missing user in an index. */
export const missingUserId = "00000000-0000-0000-0000-000000000000";
/** Lists show the newest rows first; an index serves that only with exactly the same order. */
export const getNewestFirstColumns = (t: { created_at: ExtraConfigColumn; id: ExtraConfigColumn }) =>
  [t.created_at.desc().nullsFirst(), t.id.desc().nullsFirst()] as const;
/** Creates a check that restricts a column to the states of a state machine. */
export const createOneOfCheck = (column: string, words: readonly string[]) =>
  sql.raw(`${column} in (${words.map((w) => `'${w}'`).join(", ")})`);
