import { sql } from "drizzle-orm";
import { bigint, boolean, check, index, pgTable, timestamp, uuid } from "drizzle-orm/pg-core";

const createNumberColumn = () => bigint({ mode: "number" });

/**
 * The events that readers of many tasks get: references to tasks' logs. A row is written with its
 * event, and gets its position after the commit, so that a reader at a position never sees an
 * earlier one appear.
 */
export const published_events = pgTable(
  "published_events",
  {
    /** The event's number across tasks; a deletion takes a new one. */
    id: createNumberColumn().primaryKey(),
    /** Rises without gaps in the order in which readers see the events. */
    position: createNumberColumn().unique(),
    organization_id: uuid().notNull(),
    board_id: uuid().notNull(),
    task_id: uuid().notNull(),
    /** The sequence in the task's log; null for the deletion of the task. */
    seq: createNumberColumn(),
    created_at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  },
  (t) => [
    index("published_events_waiting")
      .on(t.id)
      .where(sql`position is null`),
    index("published_events_board").on(t.board_id, t.position),
    index("published_events_organization").on(t.organization_id, t.position),
  ],
);

/** The last position that was given, in a single row. Its lock orders those who give positions. */
export const published_position = pgTable(
  "published_position",
  {
    id: boolean().primaryKey().default(true),
    position: createNumberColumn().notNull(),
  },
  () => [check("published_position_single", sql`id`)],
);
