import type { LedgerDatabase } from "./ledger-database.ts";

/** Maximum number of rows to delete per step. */
const maxRows = 500;

/** Deletes the rows of old requests. Their sums by hour stay. */
export class OldRequests {
  readonly name = "old model requests";
  readonly #db: LedgerDatabase;
  readonly #keepMs: number;

  constructor(db: LedgerDatabase, keepMs: number) {
    this.#db = db;
    this.#keepMs = keepMs;
  }

  /** Returns whether there may be more to delete. */
  async step(): Promise<boolean> {
    const { rowCount } = await this.#db.query({
      name: "delete_old_requests",
      text: deleteOldRequests,
      values: [this.#keepMs / 1000, maxRows],
    });
    return rowCount === maxRows;
  }
}

const deleteOldRequests = `
  delete from model_requests where id = any(array(
    select id from model_requests where settled_at < now() - make_interval(secs => $1)
    order by settled_at limit $2
  ))`;
