import { boolean, index, integer, pgTable, primaryKey, text, uuid, varchar } from "drizzle-orm/pg-core";
import { createTimeColumn } from "./columns.ts";
import { users } from "./people.ts";

/** The requests that callers may repeat, by the key that they sent, with their answers. */
export const idempotency_keys = pgTable(
  "idempotency_keys",
  {
    user_id: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    key: varchar({ length: 255 }).notNull(),
    /** The hash of the request: its organisation, path and body. */
    fingerprint: text().notNull(),
    /** The execution that may commit. A later one of the same key replaces it. */
    attempt: uuid().notNull(),
    /** Until when another execution has to wait for this one. */
    locked_until: createTimeColumn().notNull(),
    /** Whether a transaction of the request has committed: then no other execution may begin. */
    executed: boolean().notNull().default(false),
    /** The answer: its status is null until it is known. */
    status: integer(),
    body: text(),
    expires_at: createTimeColumn().notNull(),
  },
  (t) => [primaryKey({ columns: [t.user_id, t.key] }), index("idempotency_keys_expires").on(t.expires_at)],
);
