import { type SQL, sql } from "drizzle-orm";
import { bigint, boolean, check, index, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

const createSequenceColumn = () => bigint({ mode: "number" });
const getContentField = (path: string): SQL => sql.raw(`content::jsonb #>> '{${path}}'`);

/**
 * The audit log: one chain for the whole installation. A trigger gives each inserted row its
 * sequence, its time and its hash, which includes the hash of the row before; others refuse changes
 * and deletions.
 */
export const audit_entries = pgTable(
  "audit_entries",
  {
    sequence: createSequenceColumn().primaryKey(),
    at: timestamp({ withTimezone: true, precision: 3 }).notNull(),
    /** The entry as JSON, exactly as it was hashed: `jsonb` would change its order and spaces. */
    content: text().notNull(),
    /** SHA-256 of the previous hash, the sequence, the time and the content, in hexadecimal. */
    hash: text().notNull(),
    organization_id: uuid().generatedAlwaysAs(sql`(${getContentField("organization_id")})::uuid`),
    actor_id: text().generatedAlwaysAs(getContentField("actor,id")),
    action: text().generatedAlwaysAs(getContentField("action")),
    target_id: text().generatedAlwaysAs(getContentField("target,id")),
    result: text().generatedAlwaysAs(getContentField("result")),
  },
  (t) => [
    index("audit_entries_at").on(t.at, t.sequence),
    index("audit_entries_organization").on(t.organization_id, t.sequence),
    index("audit_entries_actor").on(t.actor_id, t.sequence),
    index("audit_entries_action").on(t.action, t.sequence),
    index("audit_entries_target").on(t.target_id, t.sequence),
    index("audit_entries_result").on(t.result, t.sequence),
    check("audit_entries_content_size", sql`octet_length(content) <= 8192`),
  ],
);

/** The two ends of the chain, in a single row. Writers lock it, so that they write one chain. */
export const audit_chain = pgTable(
  "audit_chain",
  {
    id: boolean().primaryKey().default(true),
    /** The last entry; 0 and zeros before the first one. */
    sequence: createSequenceColumn().notNull(),
    at: timestamp({ withTimezone: true, precision: 3 }).notNull(),
    hash: text().notNull(),
    /** The last entry that was removed on request: the first remaining one continues its hash. */
    pruned_sequence: createSequenceColumn().notNull(),
    pruned_hash: text().notNull(),
  },
  () => [check("audit_chain_single", sql`id`)],
);
