interface PrunedTable {
  /** Deletes some of the rows that are over; returns how many. */
  readonly prune: (maxRows: number) => Promise<number>;
}

/** Maximum number of rows to delete per step and table. */
const maxRows = 500;

/** Deletes what is over: sessions, links, open steps of logins, and counts of failed logins. */
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
