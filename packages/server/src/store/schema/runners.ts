import type { BackendName, Isolation, RunnerPlace, RunnerResources, RunnerState } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { index, jsonb, pgTable, text, uuid, varchar } from "drizzle-orm/pg-core";
import { createNumberColumn, createTimeColumn, getNewestFirstColumns, stamps } from "./columns.ts";
import { boards, organizations, users } from "./people.ts";

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
    /** Where the runner is in its cluster, if that is known: its namespace, its pod, its claims. */
    place: jsonb().$type<RunnerPlace>(),
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
    index("runners_organization")
      .on(t.organization_id, ...getNewestFirstColumns(t))
      .where(sql`state <> 'DESTROYED'`),
    index("runners_organization_state").on(t.organization_id, t.state, ...getNewestFirstColumns(t)),
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
