import type { AuditDatabase } from "./audit-database.ts";

/**
 * Appends entries in their order. The table's triggers number and chain them behind those of all
 * other servers.
 */
export async function appendEntries(db: AuditDatabase, contents: readonly string[]): Promise<void> {
  await db.query({
    name: "append_audit_entries",
    text: `
      insert into audit_entries (content)
      select content from unnest($1::text[]) with ordinality as new (content, position) order by position`,
    values: [contents],
  });
}
