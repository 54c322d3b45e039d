import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { getCommitHook } from "./commit-hook.ts";
import type { Database } from "./executor.ts";
import { NamingClient } from "./named-statements.ts";
import * as schema from "./schema/index.ts";
import { assertOutsideTransaction, runInTransaction } from "./transaction-guard.ts";

export type { Database, Executor } from "./executor.ts";

export interface DatabaseConnections {
  readonly db: Database;
  /**
   * The same database on a few separate connections, for leases and loops: requests cannot exhaust
   * them.
   */
  readonly background: Database;
  readonly pool: pg.Pool;
  /** The same database for the ledger, whose statements no request or loop may delay. */
  readonly ledgerPool: pg.Pool;
  close(): Promise<void>;
}

const maxConnections = 16;
const maxBackgroundConnections = 4;
const maxLedgerConnections = 4;
/**
 * A new connection needs tens of milliseconds for its first statement of the ledger, and PostgreSQL
 * would plan that statement five times before it keeps a plan. These connections stay open between
 * requests, and keep the first plan.
 */
const ledgerConnections = {
  max: maxLedgerConnections,
  idleTimeoutMillis: 0,
  onConnect: (client) => client.query("set plan_cache_mode = force_generic_plan"),
} as const satisfies pg.PoolConfig;

/**
 * Timeouts after which PostgreSQL, and so its callers, abort a statement, a wait for a lock or a
 * forgotten transaction.
 */
const limits = {
  connectionTimeoutMillis: 5_000,
  statement_timeout: 30_000, // ms
  lock_timeout: 10_000, // ms
  idle_in_transaction_session_timeout: 30_000, // ms
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
} as const satisfies pg.PoolConfig;

/**
 * Opens the connections to a database. The pool replaces a broken connection; the statement on it
 * fails and the caller has to retry it.
 */
export function openDatabase(connection: pg.PoolConfig, onError: (error: Error) => void): DatabaseConnections {
  const pool = openPool({ max: maxConnections, ...limits, ...connection }, onError);
  const reserved = openPool({ ...limits, ...connection, max: maxBackgroundConnections }, onError);
  const ledgerPool = openPool({ ...limits, ...connection, ...ledgerConnections }, onError);
  return {
    db: openDrizzle(pool),
    background: openDrizzle(reserved),
    pool,
    ledgerPool,
    async close() {
      await Promise.all([pool.end(), reserved.end(), ledgerPool.end()]);
    },
  };
}

function openPool(config: pg.PoolConfig, onError: (error: Error) => void): pg.Pool {
  const pool = new GuardedPool({ ...config, Client: NamingClient });
  // Without a handler on pool and clients, a server that disconnects ends this process. While the
  // pool ends, errors are expected.
  const reportError = (error: Error) => pool.ending || onError(error);
  pool.on("error", reportError);
  pool.on("connect", (client) => void client.on("error", reportError));
  return pool;
}

function openDrizzle(pool: pg.Pool): Database {
  const db = drizzle(pool, { schema, casing: "snake_case" });
  const begin = db.transaction.bind(db);
  db.transaction = (work, config) => {
    const hook = getCommitHook();
    return begin(
      (tx) =>
        runInTransaction(async () => {
          const result = await work(tx);
          await hook?.(tx, result);
          return result;
        }),
      config,
    );
  };
  return db;
}

/**
 * A pool that refuses a second connection inside a transaction: enough such callers would deadlock
 * on the pool.
 */
class GuardedPool extends pg.Pool {
  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Parameters<pg.Pool["connect"]>[0]): void;
  override connect(callback?: Parameters<pg.Pool["connect"]>[0]): Promise<pg.PoolClient> | void {
    assertOutsideTransaction("A second database connection");
    return callback ? super.connect(callback) : super.connect();
  }
}
