import { sql } from "drizzle-orm";
import { type Database, schema } from "../../store/index.ts";
import type { MaintenanceJob } from "./maintenance.ts";

const { permissions, runners } = schema;

/** Maximum number of rows to delete per step. */
const maxRows = 500;
/** How long users can look up the end of a runner, or the answers to permission requests. */
const retentionDays = 30;

/** How long readers of boards may continue from their cursor. */
const publishedDays = 7;

/**
 * Deletes rows that are no longer needed: destroyed runners, settled permission requests, and the
 * order of old events. The events themselves stay in their tasks' logs.
 */
export class Pruning implements MaintenanceJob {
  readonly name = "pruning";
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async step(): Promise<boolean> {
    const isOld = sql`updated_at < now() - make_interval(days => ${retentionDays})`;
    const oldRunners = sql`array(select id from runners where state = 'DESTROYED' and ${isOld}
      order by updated_at limit ${maxRows})`;
    const destroyed = await this.#db.delete(runners).where(sql`${runners.id} = any(${oldRunners})`);
    const oldPermissions = sql`array(select ctid from permissions where state = 'CLOSED' and ${isOld}
      order by updated_at limit ${maxRows})`;
    const settled = await this.#db.delete(permissions).where(sql`${permissions}.ctid = any(${oldPermissions})`);
    const published = await this.#db.execute(sql`
      with oldest as (
        select position, created_at from published_events where position is not null order by position limit ${maxRows}
      )
      delete from published_events using oldest where published_events.position = oldest.position
        and oldest.created_at < now() - make_interval(days => ${publishedDays})`);
    return [destroyed, settled, published].some(({ rowCount }) => rowCount === maxRows);
  }
}
