import { sql } from "drizzle-orm";
import { index, pgTable, text, unique, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { createNumberColumn, createTimeColumn } from "./columns.ts";
import { runners } from "./runners.ts";

/**
 * The backend's counters at a runner's last sample. The next sample counts what has been added
 * since, in the statement that replaces this row, so nothing counts twice.
 */
export const runner_counters = pgTable("runner_counters", {
  runner_id: uuid()
    .primaryKey()
    .references(() => runners.id, { onDelete: "cascade" }),
  /** The launch of the runner that the counters belong to: the next one starts at zero. */
  launch: text().notNull(),
  cpu_ms: createNumberColumn().notNull(),
  running_ms: createNumberColumn().notNull(),
  memory_bytes: createNumberColumn().notNull(),
  sampled_at: createTimeColumn().notNull(),
});

/**
 * Who used a runner, and what for. Usage outlives the tasks and people that caused it, so these
 * columns refer to no table.
 */
const createSourceColumns = () => ({
  runner_id: uuid().notNull(),
  /** The run, or the runner itself if a person created it. */
  run_id: uuid().notNull(),
  organization_id: uuid().notNull(),
  board_id: uuid(),
  task_id: uuid(),
  user_id: uuid(),
  agent_type: text(),
  tier: text().notNull(),
});

/** What runners used, by hour. */
export const runner_hours = pgTable(
  "runner_hours",
  {
    hour: createTimeColumn().notNull(),
    ...createSourceColumns(),
    cpu_ms: createNumberColumn().notNull(),
    running_ms: createNumberColumn().notNull(),
    /** One MiB of memory for one second each. */
    memory_mib_seconds: createNumberColumn().notNull(),
  },
  (t) => [
    unique("runner_hours_source").on(t.run_id, t.hour, t.runner_id, t.user_id).nullsNotDistinct(),
    index("runner_hours_organization").on(t.organization_id, t.hour),
    index("runner_hours_board").on(t.board_id, t.hour),
    index("runner_hours_task").on(t.task_id, t.hour),
  ],
);

/**
 * The disks that runners hold, also while they are stopped. A row ends when a runner is destroyed,
 * which a trigger notes, or when its disk serves another run or person.
 */
export const runner_disks = pgTable(
  "runner_disks",
  {
    ...createSourceColumns(),
    /** What the runner may store, in MiB. */
    disk_mib: createNumberColumn().notNull(),
    held_from: createTimeColumn().notNull(),
    /** Infinity while the disk is held. */
    held_until: createTimeColumn()
      .notNull()
      .default(sql`'infinity'`),
  },
  (t) => [
    uniqueIndex("runner_disks_held")
      .on(t.runner_id)
      .where(sql`held_until = 'infinity'`),
    index("runner_disks_organization").on(t.organization_id, t.held_until),
    index("runner_disks_board").on(t.board_id, t.held_until),
    index("runner_disks_task").on(t.task_id, t.held_until),
  ],
);
