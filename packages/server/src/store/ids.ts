import { between, eq, type SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";

/** The fewest letters of an id that stand for it, as the contract says. */
const minLetters = 8;
const lowest = "00000000-0000-0000-0000-000000000000";
const highest = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const whole = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The condition that an id begins with these letters, as a range on the key, so that an index answers it. Nothing for a
 * text that no id begins with: wildcards, NUL and misplaced dashes never reach the database.
 */
export function matchId(column: PgColumn, text: string): SQL | undefined {
  const letters = text.toLowerCase();
  if (letters.length < minLetters || letters.length > lowest.length) return undefined;
  const first = letters + lowest.slice(letters.length);
  if (!whole.test(first)) return undefined;
  if (first === letters) return eq(column, letters);
  return between(column, first, letters + highest.slice(letters.length));
}
