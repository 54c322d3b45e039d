import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import pg from "pg";
import * as schema from "./schema/index.ts";

export type Database = NodePgDatabase<typeof schema>;
/** What a statement needs: the database itself, or a transaction on it. */
export type Executor = Pick<Database, "select" | "insert" | "update" | "delete" | "execute">;

export interface OpenDatabase {
  readonly db: Database;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

/** Connections to a database. A connection that breaks is replaced; the statement that was on it fails and is the caller's to repeat. */
export function openDatabase(connection: pg.PoolConfig, onError: (error: Error) => void): OpenDatabase {
  const pool = new pg.Pool({ max: 16, ...connection });
  // Without a handler on pool and clients, a server that goes away ends this process. While the pool ends it may go.
  const tell = (error: Error) => pool.ending || onError(error);
  pool.on("error", tell);
  pool.on("connect", (client) => void client.on("error", tell));
  return { db: drizzle(pool, { schema, casing: "snake_case" }), pool, close: () => pool.end() };
}
