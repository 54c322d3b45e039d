import { type Attachments, type ResourceLimits, type RunPhase, RunStatus, type Tier, TurnState } from "@wharf/contract";
import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { createNumberColumn, createOneOfCheck, createTimeColumn, getNewestFirstColumns, stamps } from "./columns.ts";
import { boards, users } from "./people.ts";
import { runners } from "./runners.ts";
import { tasks } from "./tasks.ts";

/**
 * An attempt of an agent at a task. The table is also the queue: a run with `queued_at` waits for a
 * slot.
 */
export const runs = pgTable(
  "runs",
  {
    id: uuid().primaryKey(),
    task_id: uuid()
      .notNull()
      .references(() => tasks.id, { onDelete: "cascade" }),
    /** The task's board, by which lists of runs are read; null once the task is deleted. */
    board_id: uuid().references(() => boards.id, { onDelete: "set null" }),
    /** Who prompted the turn that the run waits for or works on: the queue shares slots by user. */
    user_id: uuid().references(() => users.id, { onDelete: "set null" }),
    agent_type: text().notNull(),
    runner_id: uuid().references(() => runners.id, { onDelete: "set null" }),
    status: text().$type<RunStatus>().notNull().default("PENDING"),
    phase: text().$type<RunPhase>(),
    /** The state that a person requested: to run, to pause during a turn, or to stop. */
    desired: text({ enum: ["RUN", "PAUSE", "STOP"] })
      .notNull()
      .default("RUN"),
    /** The final status of a stopped run, and why it was stopped. */
    stop_status: text({ enum: ["COMPLETED", "FAILED", "STOPPED"] }),
    stop_reason: text(),
    /** Whether the person who stopped the run does not wait for its agent. */
    stop_forced: boolean().notNull().default(false),
    queued_at: createTimeColumn(),
    slot: boolean().notNull().default(false),
    /** Whether the run, while it waits, also waits for the tasks that its task depends on. */
    waits_for_tasks: boolean().notNull().default(false),
    /** Whether a person put the waiting run before the others of its organisation. */
    is_first: boolean().notNull().default(false),
    priority: integer().notNull().default(0),
    attempt: integer().notNull().default(1),
    next_attempt_at: createTimeColumn(),
    /** When the present state times out. */
    deadline: createTimeColumn(),
    /** The mirror that the run's runner may use. */
    repository_id: text(),
    session_id: text(),
    /**
     * Whether a prompt may have reached the agent: from then on Wharf never retries a failure
     * automatically.
     */
    prompted: boolean().notNull().default(false),
    /** When the last turn ended with no queued turn. */
    idle_since: createTimeColumn(),
    /** The size of the task's log when the run was created: any growth counts for the run. */
    log_start: createNumberColumn().notNull().default(0),
    exit_code: integer(),
    error_code: text(),
    error_message: text(),
    /** The size of the run's runner from the queue on, and what it allows. */
    tier: text().$type<Tier>().notNull().default("small"),
    resource_limits: jsonb().$type<ResourceLimits>(),
    started_at: createTimeColumn(),
    stopped_at: createTimeColumn(),
    ...stamps,
  },
  (t) => [
    check("runs_status", createOneOfCheck("status", RunStatus.options)),
    index("runs_task").on(t.task_id, ...getNewestFirstColumns(t)),
    index("runs_board").on(t.board_id, ...getNewestFirstColumns(t)),
    index("runs_board_status").on(t.board_id, t.status, ...getNewestFirstColumns(t)),
    index("runs_runner").on(t.runner_id, ...getNewestFirstColumns(t)),
    index("runs_user").on(t.user_id),
    index("runs_slot")
      .on(t.slot)
      .where(sql`slot`),
    index("runs_queue")
      .on(t.priority.desc().nullsFirst(), t.queued_at, t.id)
      .where(sql`queued_at is not null`),
    /** At most one run works on a task at a time. */
    uniqueIndex("runs_one_at_work")
      .on(t.task_id)
      .where(sql`status in ('PENDING', 'STARTING', 'RUNNING', 'PAUSED')`),
  ],
);

export const turns = pgTable(
  "turns",
  {
    /** The id is also the idempotency key that the daemon keeps. */
    id: uuid().primaryKey(),
    task_id: uuid()
      .notNull()
      .references(() => tasks.id, { onDelete: "cascade" }),
    run_id: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    state: text().$type<TurnState>().notNull().default("QUEUED"),
    /** The position among the queued turns of the task: the lowest is dispatched first. */
    place: integer().notNull().default(0),
    /**
     * A person requested the end of the turn; kept until the turn has ended, so that no crash loses
     * the request.
     */
    cancel_asked: boolean().notNull().default(false),
    prompt: text().notNull(),
    /** The sequence of the prompt's message in the task's log. */
    prompt_seq: createNumberColumn(),
    attachments: jsonb().$type<Attachments>().notNull().default([]),
    stop_reason: text(),
    /** The task's newest commit when the turn started, and the turn's own newest commit. */
    base_commit_sha: text(),
    commit_sha: text(),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    started_at: createTimeColumn(),
    ended_at: createTimeColumn(),
    ...stamps,
  },
  (t) => [
    check("turns_state", createOneOfCheck("state", TurnState.options)),
    index("turns_task").on(t.task_id, t.created_at, t.id),
    index("turns_open")
      .on(t.task_id)
      .where(sql`state in ('QUEUED', 'RUNNING')`),
    /** The turns that ended last show how long turns take. */
    index("turns_ended")
      .on(t.ended_at.desc().nullsFirst())
      .where(sql`started_at is not null and ended_at is not null`),
    index("turns_run").on(t.run_id),
    index("turns_created_by").on(t.created_by),
    /** At most one turn runs at a time: a prompt during a turn waits as QUEUED. */
    uniqueIndex("turns_one_running")
      .on(t.task_id)
      .where(sql`state = 'RUNNING'`),
  ],
);

/**
 * An agent's question to a person. The answer is kept until the daemon has it, so that no crash
 * loses it.
 */
export const permissions = pgTable(
  "permissions",
  {
    run_id: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    permission_id: text().notNull(),
    task_id: uuid()
      .notNull()
      .references(() => tasks.id, { onDelete: "cascade" }),
    state: text({ enum: ["ASKED", "ANSWERED", "CLOSED"] })
      .notNull()
      .default("ASKED"),
    option_id: text(),
    answered_by: uuid().references(() => users.id, { onDelete: "set null" }),
    ...stamps,
  },
  (t) => [
    primaryKey({ columns: [t.run_id, t.permission_id] }),
    index("permissions_task").on(t.task_id, t.permission_id),
    index("permissions_open")
      .on(t.run_id)
      .where(sql`state in ('ASKED', 'ANSWERED')`),
    index("permissions_closed")
      .on(t.updated_at)
      .where(sql`state = 'CLOSED'`),
    index("permissions_answered_by").on(t.answered_by),
  ],
);
