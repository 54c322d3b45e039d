import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate as runMigrations } from "drizzle-orm/node-postgres/migrator";
import type pg from "pg";
import { z } from "zod";

/**
 * The lock lets one server migrate at a time; the others wait for it. The number only has to be
 * unique to Wharf.
 */
const migrationLock = 0x77_68_61_72;

const folder = join(import.meta.dirname, "migrations");

/** Brings a database to this version's schema. A repetition changes nothing. */
export async function migrateDatabase(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  try {
    // Another server's migration, or an index over a large table, may take longer than any ordinary
    // statement.
    await client.query("set statement_timeout = 0; set lock_timeout = 0");
    await client.query("select pg_advisory_lock($1)", [migrationLock]);
    await runMigrations(drizzle(client), { migrationsFolder: folder });
  } finally {
    await client.query("select pg_advisory_unlock($1)", [migrationLock]).catch(() => undefined);
    client.release(true);
  }
}

const Journal = z.object({ entries: z.array(z.object({ when: z.number() })) });

/**
 * Counts the migrations of this version that a database lacks. A newer server may have made more.
 */
export async function countMissingMigrations(pool: pg.Pool): Promise<number> {
  const journal = Journal.parse(JSON.parse(await readFile(join(folder, "meta", "_journal.json"), "utf8")));
  const { rows } = await pool.query<{ latest: string | null }>(
    "select max(created_at)::text as latest from drizzle.__drizzle_migrations",
  );
  const latest = Number(rows[0]?.latest ?? 0);
  return journal.entries.filter(({ when }) => when > latest).length;
}
