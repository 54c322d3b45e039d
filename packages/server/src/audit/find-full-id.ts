import { sql } from "drizzle-orm";
import { type Database, parseIdRange } from "../store/index.ts";

/** The tables of things whose ids people may shorten. */
const tables: Readonly<Record<string, string>> = { task: "tasks", runner: "runners", agent: "runs" };

/** Returns the full form of a shortened id; the id itself if it is not the beginning of one id. */
export async function findFullId(db: Pick<Database, "execute">, kind: string, id: string): Promise<string> {
  const table = tables[kind];
  const range = parseIdRange(id);
  if (table === undefined || !range || range.low === range.high) return id;
  const { rows } = await db.execute<{ id: string }>(sql`
    select id from ${sql.identifier(table)} where id between ${range.low}::uuid and ${range.high}::uuid limit 2`);
  return rows.length === 1 ? rows[0]!.id : id;
}
