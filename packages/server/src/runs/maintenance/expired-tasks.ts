import { WharfError } from "@wharf/contract";
import { asc, sql } from "drizzle-orm";
import type { Log } from "../../events/index.ts";
import { type Database, schema } from "../../store/index.ts";
import { deleteTask } from "../state/deletion.ts";
import type { MaintenanceJob } from "./maintenance.ts";

const { tasks } = schema;

/** Tasks that one step deletes. */
const maxTasksPerStep = 100;

export interface ExpiredTasksOptions {
  readonly db: Database;
  readonly log: Log;
  /** Called when runners are to be destroyed. */
  readonly onDelete: () => void;
}

/** Deletes the tasks, with their runners, of tests whose server was killed before their end. */
export class ExpiredTasks implements MaintenanceJob {
  readonly name = "tasks of tests that a killed server left";
  readonly #options: ExpiredTasksOptions;

  constructor(options: ExpiredTasksOptions) {
    this.#options = options;
  }

  async step(): Promise<boolean> {
    const { db, log, onDelete } = this.#options;
    const expired = await db
      .select({ id: tasks.id })
      .from(tasks)
      .where(sql`${tasks.expires_at} <= now() and ${tasks.deleted_at} is null`)
      .orderBy(asc(tasks.expires_at))
      .limit(maxTasksPerStep);
    for (const { id } of expired)
      await deleteTask(log, id).catch((error: unknown) => {
        // Another server deleted it meanwhile.
        if (!(error instanceof WharfError) || error.code !== "task_not_found") throw error;
      });
    if (expired.length > 0) onDelete();
    return expired.length === maxTasksPerStep;
  }
}
