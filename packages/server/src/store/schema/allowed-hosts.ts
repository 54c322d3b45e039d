import { boolean, index, pgTable, text, timestamp, unique, uuid } from "drizzle-orm/pg-core";
import { agent_types } from "./agent-types.ts";
import { createNumberColumn } from "./columns.ts";
import { organizations, users } from "./people.ts";
import { tasks } from "./tasks.ts";

/**
 * The entries of the allow-lists: hosts that runners may reach. An entry without an agent type and
 * a task applies to all runners of the organisation.
 */
export const allowed_hosts = pgTable(
  "allowed_hosts",
  {
    id: uuid().primaryKey(),
    organization_id: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    agent_type_id: uuid().references(() => agent_types.id, { onDelete: "cascade" }),
    task_id: uuid().references(() => tasks.id, { onDelete: "cascade" }),
    /** A host, a pattern of hosts, or the name of a preset. */
    entry: text().notNull(),
    /** Whether the hosts may have addresses of a private network. */
    allows_private: boolean().notNull().default(false),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    created_at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  },
  (t) => [
    unique("allowed_hosts_entry").on(t.organization_id, t.agent_type_id, t.task_id, t.entry).nullsNotDistinct(),
    index("allowed_hosts_task").on(t.task_id),
    index("allowed_hosts_agent_type").on(t.agent_type_id),
    index("allowed_hosts_created_by").on(t.created_by),
  ],
);

/** Hosts that a task's runners asked for and did not reach; a person may allow them. */
export const denied_hosts = pgTable(
  "denied_hosts",
  {
    task_id: uuid()
      .notNull()
      .references(() => tasks.id, { onDelete: "cascade" }),
    /** The entry that would allow the host. */
    entry: text().notNull(),
    /** Whether the entry must include addresses of a private network. */
    allows_private: boolean().notNull().default(false),
    reason: text().notNull(),
    attempts: createNumberColumn().notNull().default(1),
    first_at: timestamp({ withTimezone: true }).notNull().defaultNow(),
    last_at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  },
  (t) => [
    unique("denied_hosts_entry").on(t.task_id, t.entry),
    index("denied_hosts_last").on(t.last_at, t.task_id, t.entry),
  ],
);
