import { and, eq, sql } from "drizzle-orm";
import { isVisibleTask, type VisibilityScope } from "../access/index.ts";
import { type Database, parseIdRange, schema } from "../store/index.ts";

const { boards, tasks } = schema;

export interface TaskMatches {
  /** Matches by the requested id. */
  readonly found: ReadonlyMap<string, { readonly id: string; readonly last_seq: number }>;
  readonly missing: readonly string[];
  /** Requested prefixes that match more than one task. */
  readonly ambiguous: readonly string[];
}

/**
 * Finds tasks on visible boards by their ids or by unique prefixes, in one statement. A prefix
 * is looked up as a range of ids, which the primary key answers.
 */
export async function findTasks(db: Database, scope: VisibilityScope, ids: readonly string[]): Promise<TaskMatches> {
  const ranges = [...new Set(ids)].flatMap((requestedId) => {
    const range = parseIdRange(requestedId);
    return range ? [{ asked: requestedId, ...range }] : [];
  });
  const matches = new Map<string, { id: string; last_seq: number }[]>();
  if (ranges.length > 0) {
    const toColumn = (name: "asked" | "low" | "high") => sql.param(ranges.map((range) => range[name]));
    const requestedRanges = sql`unnest(${toColumn("asked")}::text[], ${toColumn("low")}::uuid[], ${toColumn("high")}::uuid[]) as range (asked, low, high)`;
    const task = db
      .select({ id: tasks.id, last_seq: tasks.last_seq })
      .from(tasks)
      .innerJoin(boards, eq(boards.id, tasks.board_id))
      .where(and(sql`${tasks.id} between range.low and range.high`, isVisibleTask(scope)))
      .limit(2)
      .as("task");
    const rows = await db
      .select({ asked: sql<string>`range.asked`, id: task.id, last_seq: task.last_seq })
      .from(requestedRanges)
      .crossJoinLateral(task);
    for (const { asked: id, ...row } of rows) matches.set(id, [...(matches.get(id) ?? []), row]);
  }
  const countMatches = (id: string) => matches.get(id)?.length ?? 0;
  return {
    found: new Map([...matches].flatMap(([id, rows]) => (rows.length === 1 ? [[id, rows[0]!]] : []))),
    missing: ids.filter((id) => countMatches(id) === 0),
    ambiguous: ids.filter((id) => countMatches(id) > 1),
  };
}
