import { sql } from "drizzle-orm";
import type { Executor } from "../store/index.ts";

/**
 * Appends entries in their order. The table's triggers number and chain them behind those of all
 * other servers.
 */
export async function appendEntries(db: Pick<Executor, "execute">, contents: readonly string[]): Promise<void> {
  await db.execute(sql`
    insert into audit_entries (content)
    select content from unnest(${sql.param(contents)}::text[]) with ordinality as new (content, position)
    order by position`);
}
