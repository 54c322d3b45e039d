import type { Tier } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { boolean, check, index, integer, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { createTimeColumn, stamps } from "./columns.ts";
import { boards, organizations, users } from "./people.ts";

/**
 * How many turns may run at the same time: those of a board, of a user or on runners of a tier, or
 * of the whole organization if the row names none of them.
 */
export const run_limits = pgTable(
  "run_limits",
  {
    id: uuid().primaryKey(),
    organization_id: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    board_id: uuid().references(() => boards.id, { onDelete: "cascade" }),
    user_id: uuid().references(() => users.id, { onDelete: "cascade" }),
    tier: text().$type<Tier>(),
    /** What the limit is for, apart from the tier. A user may have one in each organization. */
    target_id: uuid()
      .notNull()
      .generatedAlwaysAs(sql`coalesce(board_id, user_id, organization_id)`),
    max_runs: integer().notNull(),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    ...stamps,
  },
  (t) => [
    unique("run_limits_organization_target").on(t.organization_id, t.target_id, t.tier).nullsNotDistinct(),
    check("run_limits_target", sql`num_nonnulls(board_id, user_id, tier) <= 1`),
    index("run_limits_board").on(t.board_id),
    index("run_limits_user").on(t.user_id),
    index("run_limits_created_by").on(t.created_by),
  ],
);

/** When each user of an organization was given a slot last, so that users take turns. */
export const slot_times = pgTable(
  "slot_times",
  {
    organization_id: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    user_id: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    given_at: createTimeColumn().notNull(),
  },
  (t) => [primaryKey({ columns: [t.organization_id, t.user_id] }), index("slot_times_user").on(t.user_id)],
);

/** Has a row while a person has paused the queue: no run gets a slot. */
export const queue_pauses = pgTable(
  "queue_pauses",
  {
    /** Limits the table to one row. */
    only: boolean().primaryKey().default(true),
    reason: text(),
    paused_by: uuid().references(() => users.id, { onDelete: "set null" }),
    paused_at: createTimeColumn().notNull().defaultNow(),
  },
  (t) => [check("queue_pauses_only", sql`${t.only}`), index("queue_pauses_paused_by").on(t.paused_by)],
);
