import { type SQL, sql } from "drizzle-orm";
import { type Database, parseIdRange } from "../store/index.ts";

/** Rows of a board, or without one, of an organisation. */
const isOnBoardOf = (organizationId: string): SQL =>
  sql`board_id in (select id from boards where organization_id = ${organizationId}::uuid)`;

/** The tables of things whose ids people may shorten, and the rows of an organisation in them. */
const tables: Readonly<Record<string, { readonly name: string; readonly isOf: (organizationId: string) => SQL }>> = {
  task: { name: "tasks", isOf: isOnBoardOf },
  agent: { name: "runs", isOf: isOnBoardOf },
  runner: { name: "runners", isOf: (id) => sql`(organization_id = ${id}::uuid or ${isOnBoardOf(id)})` },
};

/**
 * Returns the full form of a shortened id; the id itself if it is not the beginning of one id of
 * the organisation. An entry must not complete the ids of another one.
 */
export async function findFullId(
  db: Pick<Database, "execute">,
  { kind, id, organizationId }: { kind: string; id: string; organizationId: string },
): Promise<string> {
  const table = tables[kind];
  const range = parseIdRange(id);
  if (table === undefined || !range || range.low === range.high) return id;
  const { rows } = await db.execute<{ id: string }>(sql`
    select id from ${sql.identifier(table.name)}
    where id between ${range.low}::uuid and ${range.high}::uuid and ${table.isOf(organizationId)} limit 2`);
  return rows.length === 1 ? rows[0]!.id : id;
}
