import { index, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import { createNumberColumn, createTimeColumn } from "./columns.ts";

/**
 * The traffic of runners with hosts of the allow-lists. Like all usage it outlives tasks, so these
 * columns refer to no table.
 */
export const host_usage = pgTable(
  "host_usage",
  {
    /** The task, or the runner itself if a person created it. */
    source_id: uuid().notNull(),
    /** A name, with its port unless that is 443 or 80; null for hosts beyond a source's limit. */
    host: text(),
    organization_id: uuid(),
    board_id: uuid(),
    task_id: uuid(),
    connections: createNumberColumn().notNull(),
    /** Bytes that the runner received. */
    bytes_in: createNumberColumn().notNull(),
    /** Bytes that the runner sent. */
    bytes_out: createNumberColumn().notNull(),
    first_at: createTimeColumn().notNull(),
    last_at: createTimeColumn().notNull(),
  },
  (t) => [
    unique("host_usage_host").on(t.source_id, t.host).nullsNotDistinct(),
    index("host_usage_organization").on(t.organization_id),
    index("host_usage_task").on(t.task_id),
  ],
);
