import { type InterruptPolicy, type NamedTier, type PermissionPolicy, TaskState } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { check, index, integer, jsonb, pgTable, primaryKey, text, uuid, varchar } from "drizzle-orm/pg-core";
import {
  createNumberColumn,
  createOneOfCheck,
  createTimeColumn,
  getNewestFirstColumns,
  missingUserId,
  stamps,
  version,
} from "./columns.ts";
import { boards, users } from "./people.ts";

export const tasks = pgTable(
  "tasks",
  {
    id: uuid().primaryKey(),
    board_id: uuid()
      .notNull()
      .references(() => boards.id, { onDelete: "cascade" }),
    title: varchar({ length: 500 }).notNull(),
    description: text().notNull(),
    state: text().$type<TaskState>().notNull().default("TODO"),
    priority: integer().notNull().default(0),
    agent_type: text(),
    repository_url: text(),
    branch: text(),
    shadow_branch: text().notNull(),
    base_commit_sha: text(),
    /** The active run, or the last one. */
    assigned_agent_id: uuid(),
    /** The person's choice among the agent's modes and models; each run of the task applies it. */
    agent_mode: text(),
    agent_model: text(),
    /** The size of the runners of the task's runs; null if the agent type decides. */
    tier: text().$type<NamedTier>(),
    permission_policy: text().$type<PermissionPolicy>().notNull().default("ask"),
    interrupt_policy: text().$type<InterruptPolicy>().notNull().default("ask"),
    metadata: jsonb().$type<Record<string, unknown>>().notNull().default({}),
    /** The sequence of the newest event; appending raises it under this row's lock. */
    last_seq: createNumberColumn().notNull().default(0),
    /** Total size of the task's events, as text. */
    log_bytes: createNumberColumn().notNull().default(0),
    /**
     * The budget because of which the task is BLOCKED, and what the refused request would have cost
     * at most, in micro-USD. The task continues when the budget has room for it, or is gone.
     */
    blocking_budget_id: uuid(),
    blocked_cost: createNumberColumn(),
    /** When Wharf resumes a task that is BLOCKED by the limit of a model's provider. */
    resume_at: createTimeColumn(),
    /** How often Wharf has resumed the task since the last prompt of a person. */
    limit_resumes: integer().notNull().default(0),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    /** The person to whom the task is assigned. */
    assignee_id: uuid().references(() => users.id, { onDelete: "set null" }),
    started_at: createTimeColumn(),
    completed_at: createTimeColumn(),
    /** When the task was archived. It is absent from lists and accepts no prompt. */
    archived_at: createTimeColumn(),
    /**
     * When a job deletes the task, unless its creator deletes it before: a test of an agent type,
     * which needs no repository. Null for all other tasks.
     */
    expires_at: createTimeColumn(),
    /**
     * When the task was deleted. A deleted task is invisible while a job removes its rows in small
     * steps.
     */
    deleted_at: createTimeColumn(),
    version,
    ...stamps,
  },
  (t) => [
    check("tasks_state", createOneOfCheck("state", TaskState.options)),
    index("tasks_board").on(t.board_id),
    index("tasks_listed")
      .on(t.board_id, ...getNewestFirstColumns(t))
      .where(sql`deleted_at is null and archived_at is null`),
    index("tasks_listed_by_state")
      .on(t.board_id, t.state, ...getNewestFirstColumns(t))
      .where(sql`deleted_at is null and archived_at is null`),
    index("tasks_archived")
      .on(t.board_id, ...getNewestFirstColumns(t))
      .where(sql`deleted_at is null and archived_at is not null`),
    /** An index serves this order only behind an equality, which a missing value is not. */
    index("tasks_listed_by_assignee")
      .on(t.board_id, sql`(coalesce(assignee_id, ${sql.raw(`'${missingUserId}'::uuid`)}))`, ...getNewestFirstColumns(t))
      .where(sql`deleted_at is null and archived_at is null`),
    index("tasks_assignee").on(t.assignee_id),
    index("tasks_listed_by_priority")
      .on(t.board_id, t.state, t.priority, t.created_at, t.id)
      .where(sql`deleted_at is null and archived_at is null`),
    index("tasks_listed_by_rank")
      .on(t.board_id, t.state, t.priority.desc().nullsFirst(), t.created_at, t.id)
      .where(sql`deleted_at is null and archived_at is null`),
    index("tasks_listed_by_change")
      .on(t.board_id, t.state, t.updated_at, t.id)
      .where(sql`deleted_at is null and archived_at is null`),
    index("tasks_deleted")
      .on(t.deleted_at)
      .where(sql`deleted_at is not null`),
    index("tasks_blocking_budget")
      .on(t.blocking_budget_id)
      .where(sql`blocking_budget_id is not null`),
    index("tasks_resumed")
      .on(t.resume_at)
      .where(sql`resume_at is not null`),
    index("tasks_expiring")
      .on(t.expires_at)
      .where(sql`expires_at is not null and deleted_at is null`),
    index("tasks_agent").on(t.assigned_agent_id),
    index("tasks_created_by").on(t.created_by),
  ],
);

/**
 * A task starts when each task that it depends on is COMPLETED. A dependency outlives the other
 * task, so that its deletion starts nothing.
 */
export const task_dependencies = pgTable(
  "task_dependencies",
  {
    task_id: uuid()
      .notNull()
      .references(() => tasks.id, { onDelete: "cascade" }),
    depends_on_id: uuid().notNull(),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    created_at: createTimeColumn().notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.task_id, t.depends_on_id] }),
    index("task_dependencies_created_by").on(t.created_by),
  ],
);
