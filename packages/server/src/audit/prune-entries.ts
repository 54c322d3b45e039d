import type { AuditAnchor } from "@wharf/contract";
import { sql } from "drizzle-orm";
import type { Database } from "../store/index.ts";
import { appendEntries } from "./append-entries.ts";

/** The act whose entry says where the log begins. */
export const pruneAction = "pruneAudit";

/** Rows that one statement removes. */
const maxRowsPerStep = 10_000;

/** Finds the last entry before a time, if there is one that is not removed yet. */
export async function findPruneEnd(db: Pick<Database, "execute">, before: string): Promise<AuditAnchor | undefined> {
  const { rows } = await db.execute<{ sequence: string; hash: string }>(sql`
    select sequence, hash from audit_entries
    where at < ${before}::timestamptz and sequence > (select pruned_sequence from audit_chain)
    order by at desc, sequence desc limit 1`);
  return rows[0] && { sequence: Number(rows[0].sequence), hash: rows[0].hash };
}

/**
 * Moves the beginning of the chain behind an entry, and appends the entry that says so, both in one
 * transaction.
 */
export async function moveChainStart(db: Database, { sequence, hash }: AuditAnchor, content: string): Promise<void> {
  await db.transaction(async (tx) => {
    await appendEntries(tx, [content]);
    await tx.execute(sql`update audit_chain set pruned_sequence = ${sequence}, pruned_hash = ${hash}`);
  });
}

/** Removes entries before the beginning of the chain, also those that an earlier removal left. */
export async function removePrunedEntries(db: Pick<Database, "execute">): Promise<number> {
  for (let removed = 0; ;) {
    const { rowCount } = await db.execute(sql`
      delete from audit_entries where sequence in (
        select sequence from audit_entries where sequence <= (select pruned_sequence from audit_chain)
        order by sequence limit ${maxRowsPerStep})`);
    removed += rowCount ?? 0;
    if ((rowCount ?? 0) < maxRowsPerStep) return removed;
  }
}
