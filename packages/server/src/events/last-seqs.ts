import { inArray } from "drizzle-orm";
import { type Database, schema } from "../store/index.ts";

const { tasks } = schema;

/** The last sequence of each of these tasks' logs, in one statement. Tasks that are gone are left out. */
export async function readLastSeqs(db: Database, taskIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .select({ id: tasks.id, last_seq: tasks.last_seq })
    .from(tasks)
    .where(inArray(tasks.id, [...taskIds]));
  return new Map(rows.map(({ id, last_seq }) => [id, last_seq]));
}
