import type { EventData, EventType } from "@wharf/contract";
import { sql } from "drizzle-orm";
import {
  bigint,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  pgView,
  text,
  timestamp,
  uniqueIndex,
  uuid,
  varchar,
  bigserial,
} from "drizzle-orm/pg-core";
import { tasks } from "./tasks.ts";

/** Whether an event is at least a warning, by its type or by the level that the agent gave it. */
export const isWarning = sql`type = 'error' or lower(data ->> 'level') in ('warn', 'warning', 'error', 'fatal', 'critical')`;

/**
 * Every message of every task, in order. A runner's report is identified by (run, journal epoch,
 * journal sequence).
 */
export const events = pgTable(
  "events",
  {
    task_id: uuid()
      .notNull()
      .references(() => tasks.id, { onDelete: "cascade" }),
    seq: bigint({ mode: "number" }).notNull(),
    /** A number across tasks, for the views of the old tables. */
    id: bigserial({ mode: "number" }).notNull(),
    run_id: uuid(),
    type: text().$type<EventType>().notNull(),
    kind: text().notNull(),
    data: jsonb().$type<EventData>().notNull(),
    /** Length of `data` as text; 0 in rows of an earlier version. */
    bytes: integer().notNull().default(0),
    timestamp: timestamp({ withTimezone: true }).notNull(),
    journal_epoch: text(),
    journal_seq: bigint({ mode: "number" }),
    created_by: uuid(),
    created_at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.task_id, t.seq] }),
    /** The database itself refuses a duplicate event. */
    uniqueIndex("events_identity").on(t.run_id, t.journal_epoch, t.journal_seq),
    index("events_created").on(t.created_at),
    /** Kinds that are queried separately, however long the log is. */
    index("events_by_kind")
      .on(t.task_id, t.kind, t.seq)
      .where(sql`kind in ('failure', 'message', 'turn', 'plan', 'report', 'tool_call')`),
    /** The few lines of a log that matter more than the others. */
    index("events_warnings").on(t.task_id, t.seq).where(isWarning),
    index("events_session")
      .on(t.task_id, sql`(data ->> 'session_id')`, t.seq)
      .where(sql`kind = 'session'`),
  ],
);

/**
 * The tables of the predecessor systems, for scripts that read them. The migration that creates the
 * views contains their SQL.
 */
export const agent_instances = pgView("agent_instances", {
  id: uuid(),
  task_id: uuid(),
  agent_type: text(),
  container_id: text(),
  container_name: text(),
  status: text(),
  image_name: text(),
  started_at: timestamp({ withTimezone: true }),
  stopped_at: timestamp({ withTimezone: true }),
  exit_code: integer(),
  error_message: text(),
  resource_limits: jsonb(),
  created_at: timestamp({ withTimezone: true }),
  updated_at: timestamp({ withTimezone: true }),
}).existing();
export const agent_logs = pgView("agent_logs", {
  id: bigint({ mode: "number" }),
  agent_instance_id: uuid(),
  log_level: varchar(),
  message: text(),
  metadata: jsonb(),
  created_at: timestamp({ withTimezone: true }),
}).existing();
export const task_events = pgView("task_events", {
  id: bigint({ mode: "number" }),
  task_id: uuid(),
  event_type: text(),
  old_state: text(),
  new_state: text(),
  metadata: jsonb(),
  created_by: uuid(),
  created_at: timestamp({ withTimezone: true }),
}).existing();
