import { boolean, index, integer, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { createTimeColumn, stamps } from "./columns.ts";
import { users } from "./people.ts";
import { runners } from "./runners.ts";
import { runs } from "./runs.ts";
import { tasks } from "./tasks.ts";

/**
 * The branch of a task on its way to the real remote: from the runner to the mirror, from the
 * mirror to the remote.
 */
export const pushes = pgTable(
  "pushes",
  {
    task_id: uuid()
      .primaryKey()
      .references(() => tasks.id, { onDelete: "cascade" }),
    run_id: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    /** The runner that has the commit. */
    runner_id: uuid().references(() => runners.id, { onDelete: "set null" }),
    sha: text().notNull(),
    state: text({ enum: ["WANTED", "MIRRORED", "PUSHED", "FAILED"] }).notNull(),
    /** Whether the task's log shows that the push is pending. */
    reported: boolean().notNull().default(false),
    attempts: integer().notNull().default(0),
    next_attempt_at: createTimeColumn().notNull().defaultNow(),
    error_message: text(),
    ...stamps,
  },
  (t) => [index("pushes_run").on(t.run_id), index("pushes_runner").on(t.runner_id)],
);

/** Branches of deleted tasks that still exist in their mirrors. */
export const dropped_branches = pgTable(
  "dropped_branches",
  {
    repository_id: text().notNull(),
    branch: text().notNull(),
    attempts: integer().notNull().default(0),
    next_attempt_at: createTimeColumn().notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.repository_id, t.branch] }),
    index("dropped_branches_due").on(t.next_attempt_at, t.repository_id),
  ],
);

/** Texts that look like secrets and that a person has allowed in the pushes of a task. */
export const allowed_secrets = pgTable(
  "allowed_secrets",
  {
    task_id: uuid()
      .notNull()
      .references(() => tasks.id, { onDelete: "cascade" }),
    fingerprint: text().notNull(),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    created_at: createTimeColumn().notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.task_id, t.fingerprint] }), index("allowed_secrets_created_by").on(t.created_by)],
);
