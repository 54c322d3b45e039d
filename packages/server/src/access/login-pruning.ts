/** A table whose rows end. */
interface PrunedTable {
  /** Deletes rows that are over, and returns their number. */
  prune(maxRows: number): Promise<number>;
}

/** Maximum number of rows to delete per step and table. */
const maxRows = 500;

/**
 * Deletes what is over: sessions, links, open steps of logins, counts of failed logins, and answers
 * to repeated requests.
 */
export class LoginPruning {
  readonly name = "logins";
  readonly #tables: readonly PrunedTable[];

  constructor(...tables: readonly PrunedTable[]) {
    this.#tables = tables;
  }

  async step(): Promise<boolean> {
    let hasMore = false;
    for (const table of this.#tables) if ((await table.prune(maxRows)) === maxRows) hasMore = true;
    return hasMore;
  }
}
