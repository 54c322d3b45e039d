import type { LedgerDatabase } from "./ledger-database.ts";
import { settleAbandonedRequests } from "./settle-requests.ts";

/**
 * A server without a heartbeat for this long has ended, or has no database, without which it cannot
 * settle its requests either.
 */
const maxSilenceSeconds = 120;

/** Settles the requests of servers that are gone. */
export class AbandonedRequests {
  readonly name = "abandoned model requests";
  readonly #db: LedgerDatabase;

  constructor(db: LedgerDatabase) {
    this.#db = db;
  }

  step(): Promise<boolean> {
    return settleAbandonedRequests(this.#db, maxSilenceSeconds);
  }
}
