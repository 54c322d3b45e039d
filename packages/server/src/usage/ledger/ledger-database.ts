import type { Pool } from "pg";

/**
 * The connections of the ledger. Its statements have names: PostgreSQL plans them once for each
 * connection, which takes longer than running them.
 */
export type LedgerDatabase = Pick<Pool, "connect" | "query">;
