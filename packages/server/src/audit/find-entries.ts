import { type AuditEntry, AuditContent, type AuditFilter } from "@wharf/contract";
import type { HashedEntry } from "@wharf/contract/audit";
import { and, asc, desc, gt, lt, type SQL, sql } from "drizzle-orm";
import { parseJson } from "../std/json.ts";
import { type Database, schema } from "../store/index.ts";

const { audit_entries } = schema;

export interface EntryQuery extends AuditFilter {
  /** The only organisation whose entries the reader may see; without it, all. */
  readonly organization_id?: string | undefined;
}

interface EntryPage {
  readonly limit: number;
  readonly order: "newest" | "oldest";
  /** The last entry of the previous page. */
  readonly after?: number | undefined;
}

/** Times only rise along the chain, so a time is a place in it. */
const findFirstSince = (time: string): SQL =>
  sql`coalesce((select sequence from audit_entries where at >= ${time}::timestamptz order by at, sequence limit 1),
    (select sequence + 1 from audit_chain))`;

/** The actor is an id, or the name of a user. */
const matchActor = (actor: string): SQL =>
  sql`actor_id in (select ${actor}::text union all select id::text from users where username = ${actor})`;

function createConditions(query: EntryQuery): SQL {
  const { organization_id, actor, action, target, result, from, to } = query;
  const conditions = [
    // Rows that pruning has not removed yet.
    sql`sequence > (select pruned_sequence from audit_chain)`,
    organization_id !== undefined && sql`organization_id = ${organization_id}::uuid`,
    actor !== undefined && matchActor(actor),
    action !== undefined && sql`action = ${action}`,
    target !== undefined && sql`target_id = ${target}`,
    result !== undefined && sql`result = ${result}`,
    from !== undefined && sql`sequence >= ${findFirstSince(from)}`,
    to !== undefined && sql`sequence < ${findFirstSince(to)}`,
  ];
  return sql.join(
    conditions.filter((condition) => condition !== false),
    sql` and `,
  );
}

/** Reads a page through the index of one filter, or along the chain. */
export async function findEntries(
  db: Pick<Database, "select">,
  query: EntryQuery,
  { limit, order, after }: EntryPage,
): Promise<HashedEntry[]> {
  const { sequence, at, content, hash } = audit_entries;
  const isNewest = order === "newest";
  const position = after === undefined ? undefined : isNewest ? lt(sequence, after) : gt(sequence, after);
  const rows = await db
    .select({ sequence, at, content, hash })
    .from(audit_entries)
    .where(and(createConditions(query), position))
    .orderBy(isNewest ? desc(sequence) : asc(sequence))
    .limit(limit);
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}

/** Presents an entry to a reader. A text that was changed may not be an entry any more. */
export function presentEntry({ sequence, at, content, hash }: HashedEntry): AuditEntry {
  const parsed = AuditContent.safeParse(parseJson(content));
  const fields = parsed.success ? parsed.data : unreadable;
  return { sequence, at, ...fields, hash };
}

const unreadable: AuditContent = { actor: { kind: "anonymous" }, action: "unreadable", result: "failed" };
