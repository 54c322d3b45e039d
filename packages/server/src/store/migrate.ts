import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate as runMigrations } from "drizzle-orm/node-postgres/migrator";
import type pg from "pg";

/**
 * The lock lets one server migrate at a time; the others wait for it. The number only has to be
 * unique to Wharf.
 */
const migrationLock = 0x77_68_61_72;

/** Brings a database to this version's schema. A repetition changes nothing. */
export async function migrateDatabase(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  try {
    // Another server's migration, or an index over a large table, may take longer than any ordinary
    // statement.
    await client.query("set statement_timeout = 0; set lock_timeout = 0");
    await client.query("select pg_advisory_lock($1)", [migrationLock]);
    await runMigrations(drizzle(client), { migrationsFolder: join(import.meta.dirname, "migrations") });
  } finally {
    await client.query("select pg_advisory_unlock($1)", [migrationLock]).catch(() => undefined);
    client.release(true);
  }
}
