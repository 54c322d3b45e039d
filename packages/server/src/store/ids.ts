import { between, eq, type SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";

/** The shortest prefix that identifies an id, as the contract specifies. */
const minLetters = 8;
const lowest = "00000000-0000-0000-0000-000000000000";
const highest = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Returns the lowest and the highest id that begin with these letters; undefined for a text that no
 * id begins with.
 */
export function parseIdRange(text: string): { low: string; high: string } | undefined {
  const letters = text.toLowerCase();
  if (letters.length < minLetters || letters.length > lowest.length) return undefined;
  const low = letters + lowest.slice(letters.length);
  return uuidPattern.test(low) ? { low, high: letters + highest.slice(letters.length) } : undefined;
}

/**
 * Returns the condition that an id begins with these letters, as a range on the key, so that an
 * index answers it. Returns undefined for a text that no id begins with: wildcards, NUL and
 * misplaced dashes never reach the database.
 */
export function createIdCondition(column: PgColumn, text: string): SQL | undefined {
  const range = parseIdRange(text);
  if (!range) return undefined;
  return range.low === range.high ? eq(column, range.low) : between(column, range.low, range.high);
}
