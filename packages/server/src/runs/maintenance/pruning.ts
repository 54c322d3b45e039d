import { sql } from "drizzle-orm";
import { type Database, schema } from "../../store/index.ts";
import type { MaintenanceJob } from "./maintenance.ts";

const { permissions, runners } = schema;

/** Maximum number of rows to delete per step. */
const maxRows = 500;
/** How long users can look up the end of a runner, or the answers to permission requests. */
const retentionDays = 30;

/** Deletes rows that are no longer needed: destroyed runners and settled permission requests. */
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
    return (destroyed.rowCount ?? 0) === maxRows || (settled.rowCount ?? 0) === maxRows;
  }
}
