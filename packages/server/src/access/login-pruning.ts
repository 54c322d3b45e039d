import type { LoginLimits } from "./limits/login-limits.ts";
import type { Links } from "./links/links.ts";
import type { Sessions } from "./sessions/sessions.ts";

/** Maximum number of rows to delete per step and table. */
const maxRows = 500;

/** Deletes what is over: sessions, links, and counts of failed logins. */
export class LoginPruning {
  readonly name = "logins";
  readonly #tables: readonly (Sessions | Links | LoginLimits)[];

  constructor(...tables: readonly (Sessions | Links | LoginLimits)[]) {
    this.#tables = tables;
  }

  async step(): Promise<boolean> {
    let hasMore = false;
    for (const table of this.#tables) if ((await table.prune(maxRows)) === maxRows) hasMore = true;
    return hasMore;
  }
}
