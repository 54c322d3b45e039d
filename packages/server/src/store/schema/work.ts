import {
  type AgentProtocol,
  type Attachments,
  type BackendName,
  type InterruptPolicy,
  type Isolation,
  type McpServer,
  type PermissionPolicy,
  type ResourceLimits,
  type RunnerResources,
  type RunnerState,
  type RunPhase,
  RunStatus,
  TaskState,
  TurnState,
} from "@wharf/contract";
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  type ExtraConfigColumn,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { boards, organizations, stamps, users } from "./people.ts";

const createTimeColumn = () => timestamp({ withTimezone: true });
const createNumberColumn = () => bigint({ mode: "number" });
/** Lists show the newest rows first; an index serves that only with exactly the same order. */
const getNewestFirstColumns = (t: { created_at: ExtraConfigColumn; id: ExtraConfigColumn }) =>
  [t.created_at.desc().nullsFirst(), t.id.desc().nullsFirst()] as const;
/** Creates a check that restricts a column to the states of a state machine. */
const createOneOfCheck = (column: string, words: readonly string[]) =>
  sql.raw(`${column} in (${words.map((w) => `'${w}'`).join(", ")})`);

export const agent_types = pgTable("agent_types", {
  id: uuid().primaryKey(),
  name: varchar({ length: 100 }).notNull().unique(),
  description: text().notNull().default(""),
  command: jsonb().$type<string[]>().notNull(),
  programs: jsonb().$type<string[]>().notNull().default([]),
  protocol: text().$type<AgentProtocol>().notNull().default("acp"),
  model_route: text(),
  docker_image: text(),
  docker_tag: text().notNull().default("latest"),
  default_resources: jsonb().$type<ResourceLimits>().notNull(),
  environment_vars: jsonb().$type<Record<string, string>>().notNull().default({}),
  home_files: jsonb().$type<Record<string, string>>().notNull().default({}),
  mcp_servers: jsonb().$type<McpServer[]>().notNull().default([]),
  capabilities: jsonb().$type<string[]>().notNull().default([]),
  enabled: boolean().notNull().default(true),
  ...stamps,
});

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
    permission_policy: text().$type<PermissionPolicy>().notNull().default("ask"),
    interrupt_policy: text().$type<InterruptPolicy>().notNull().default("ask"),
    metadata: jsonb().$type<Record<string, unknown>>().notNull().default({}),
    /** The sequence of the newest event; appending raises it under this row's lock. */
    last_seq: createNumberColumn().notNull().default(0),
    /** Total size of the task's events, as text. */
    log_bytes: createNumberColumn().notNull().default(0),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    started_at: createTimeColumn(),
    completed_at: createTimeColumn(),
    /**
     * When the task was deleted. A deleted task is invisible while a job removes its rows in small
     * steps.
     */
    deleted_at: createTimeColumn(),
    ...stamps,
  },
  (t) => [
    check("tasks_state", createOneOfCheck("state", TaskState.options)),
    index("tasks_board").on(t.board_id),
    index("tasks_listed")
      .on(t.board_id, ...getNewestFirstColumns(t))
      .where(sql`deleted_at is null`),
    index("tasks_listed_by_state")
      .on(t.board_id, t.state, ...getNewestFirstColumns(t))
      .where(sql`deleted_at is null`),
    index("tasks_deleted")
      .on(t.deleted_at)
      .where(sql`deleted_at is not null`),
    index("tasks_agent").on(t.assigned_agent_id),
    index("tasks_created_by").on(t.created_by),
  ],
);

/**
 * A sandbox and its daemon. `desired` is the target state, `state` the last known one; the
 * reconciler brings `state` to `desired`. The journal's cursor is here because the journal belongs
 * to the runner, whichever run wrote to it.
 */
export const runners = pgTable(
  "runners",
  {
    id: uuid().primaryKey(),
    name: varchar({ length: 100 }),
    /**
     * The owner of a standalone runner, which a person or a script created. A run's runner belongs
     * to the run.
     */
    organization_id: uuid().references(() => organizations.id, { onDelete: "cascade" }),
    owner_id: uuid().references(() => users.id, { onDelete: "cascade" }),
    /** The board of the task whose runs use the runner; null for a standalone runner. */
    board_id: uuid().references(() => boards.id, { onDelete: "set null" }),
    /** Environment of every command and terminal in a standalone runner. */
    environment: jsonb().$type<Record<string, string>>().notNull().default({}),
    resources: jsonb().$type<RunnerResources>(),
    /** The image of a standalone runner, unless it uses the backend's default. */
    image: text(),
    /** The model route that programs in a standalone runner may use. */
    model_route: text(),
    backend: text().$type<BackendName>().notNull(),
    tier: text().notNull(),
    state: text().$type<RunnerState>().notNull().default("CREATING"),
    desired: text({ enum: ["READY", "STOPPED", "DESTROYED"] })
      .notNull()
      .default("READY"),
    isolation: text().$type<Isolation>(),
    journal_epoch: text(),
    /** Sequence of the last journal record that is in the log. */
    journal_cursor: createNumberColumn().notNull().default(0),
    error_message: text(),
    /**
     * The configuration of the runner, while it waits in the pool. The claim clears this column,
     * and nothing sets it again.
     */
    pool_key: text(),
    /** The programs that the runner was created with, if it was created for the pool. */
    programs: jsonb().$type<string[]>().notNull().default([]),
    /** The caller's id of its request: a repeated request creates no second runner. */
    request_id: uuid().unique(),
    ...stamps,
  },
  (t) => [
    index("runners_owner")
      .on(t.owner_id, ...getNewestFirstColumns(t))
      .where(sql`state <> 'DESTROYED'`),
    index("runners_owner_state").on(t.owner_id, t.state, ...getNewestFirstColumns(t)),
    index("runners_board")
      .on(t.board_id, ...getNewestFirstColumns(t))
      .where(sql`state <> 'DESTROYED'`),
    index("runners_board_state").on(t.board_id, t.state, ...getNewestFirstColumns(t)),
    index("runners_organization").on(t.organization_id),
    index("runners_destroyed")
      .on(t.updated_at)
      .where(sql`state = 'DESTROYED'`),
    index("runners_resting")
      .on(t.updated_at, t.id)
      .where(sql`state = 'STOPPED' and desired = 'STOPPED' and owner_id is null`),
    /** Finds runners whose actual state differs from the desired one without reading the others. */
    index("runners_desired")
      .on(t.desired, t.state)
      .where(sql`state <> 'DESTROYED'`),
    index("runners_pool")
      .on(t.pool_key, t.created_at)
      .where(sql`pool_key is not null`),
  ],
);

/**
 * The server that may act on a runner. `epoch` grows with every holder and is the epoch of its
 * wires. A lease may have no server; `expires_at` is then the time by which a server should take
 * it, and is null while the runner is stopped.
 */
export const runner_leases = pgTable(
  "runner_leases",
  {
    runner_id: uuid()
      .primaryKey()
      .references(() => runners.id, { onDelete: "cascade" }),
    server_id: text(),
    epoch: createNumberColumn().notNull().default(0),
    expires_at: createTimeColumn(),
    /**
     * The location of the runner: a backend, and its host, engine or cluster. Only servers of that
     * place can reach it.
     */
    place: text().notNull(),
  },
  (t) => [index("runner_leases_due").on(t.place, t.expires_at), index("runner_leases_server").on(t.server_id)],
);

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
    queued_at: createTimeColumn(),
    slot: boolean().notNull().default(false),
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
    index("runs_slot")
      .on(t.slot)
      .where(sql`slot`),
    index("runs_queue")
      .on(t.priority.desc().nullsFirst(), t.queued_at, t.id)
      .where(sql`queued_at is not null`),
    /** The same order in a single direction, so that a page of it begins at a row comparison. */
    index("runs_queue_board")
      .on(t.board_id, sql`(-priority)`, t.queued_at, t.id)
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
