import pg from "pg";
import { inject } from "vitest";
import { database, role } from "../src/store/embedded/cluster.ts";

export interface TestDatabase extends AsyncDisposable {
  readonly pool: pg.Pool;
  /** Connection options for code that opens its own connections. */
  readonly connection: { readonly host: string; readonly user: string; readonly database: string };
  readonly url: string;
}

let count = 0;
let shared: pg.Pool | undefined;

/** Each test file creates and drops its databases on one connection. */
const admin = () =>
  (shared ??= guarded(
    new pg.Pool({ host: inject("postgresHost"), user: role, database, max: 1, allowExitOnIdle: true }),
  ));

/** Creates a migrated database for a test, which is dropped after the test. */
export async function testDatabase(): Promise<TestDatabase> {
  const host = inject("postgresHost");
  const name = `test_${process.pid}_${process.env["VITEST_POOL_ID"] ?? 0}_${count++}`;
  await admin().query(`create database "${name}" template template strategy wal_log`);
  const connection = { host, user: role, database: name };
  const pool = guarded(new pg.Pool({ ...connection, max: 4, allowExitOnIdle: true }));
  return {
    pool,
    connection,
    url: `postgresql://${role}@/${name}?host=${encodeURIComponent(host)}`,
    async [Symbol.asyncDispose]() {
      if (!pool.ended) await pool.end();
      await admin().query(`drop database if exists "${name}" with (force)`);
    },
  };
}

/**
 * `pool.end()` resolves before the server's side of a connection is closed. Dropping the database
 * ends that side with 57P01, which without a listener on pool and client ends the test process.
 */
function guarded(pool: pg.Pool): pg.Pool {
  const ignore = () => undefined;
  return pool.on("error", ignore).on("connect", (client) => void client.on("error", ignore));
}
