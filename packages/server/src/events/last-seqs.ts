import { inArray } from "drizzle-orm";
import { type Database, schema } from "../store/index.ts";

const { tasks } = schema;

/** Reads the last sequence of each task's log in one statement. Deleted tasks are left out. */
export async function readLastSeqs(db: Database, taskIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .select({ id: tasks.id, last_seq: tasks.last_seq })
    .from(tasks)
    .where(inArray(tasks.id, [...taskIds]));
  return new Map(rows.map(({ id, last_seq }) => [id, last_seq]));
}
