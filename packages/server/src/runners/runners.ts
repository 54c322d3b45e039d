import { randomUUID } from "node:crypto";
import type { RunnerState } from "@wharf/contract";
import { and, desc, eq, inArray, isNotNull, isNull, ne, sql } from "drizzle-orm";
import { type Database, type Executor, schema } from "../store/index.ts";

const { runners, runs, tasks } = schema;
export type RunnerRow = typeof runners.$inferSelect;

/** The rows of runners: what should be and what was last seen. */
export class Runners {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async get(id: string): Promise<RunnerRow | undefined> {
    const [row] = await this.#db.select().from(runners).where(eq(runners.id, id));
    return row;
  }

  /** The next wire's epoch. It is on disk before the wire opens, so no two wires ever share one. */
  async nextEpoch(id: string): Promise<number> {
    const [row] = await this.#db
      .update(runners)
      .set({ wire_epoch: sql`${runners.wire_epoch} + 1` })
      .where(eq(runners.id, id))
      .returning({ epoch: runners.wire_epoch });
    return row?.epoch ?? 0;
  }

  async setState(id: string, state: RunnerState, error?: string): Promise<void> {
    await this.#db
      .update(runners)
      .set({ state, error_message: error ?? null, updated_at: new Date() })
      .where(eq(runners.id, id));
  }

  /** What was found out about its walls; answers whether that is new. Only a container can turn out to be open. */
  async noteIsolation(id: string, held: boolean): Promise<boolean> {
    const [from, to] = held ? (["unenforced", "container"] as const) : (["container", "unenforced"] as const);
    const changed = await this.#db
      .update(runners)
      .set({ isolation: to })
      .where(and(eq(runners.id, id), eq(runners.isolation, from)))
      .returning({ id: runners.id });
    return changed.length > 0;
  }

  /** A journal of another epoch begins at its beginning. */
  async beginJournal(id: string, epoch: string): Promise<void> {
    await this.#db.update(runners).set({ journal_epoch: epoch, journal_cursor: 0 }).where(eq(runners.id, id));
  }

  /** Rows whose wish and sight differ in a way only the reconciler mends. */
  unwanted(): Promise<RunnerRow[]> {
    return this.#db
      .select()
      .from(runners)
      .where(and(eq(runners.desired, "DESTROYED"), ne(runners.state, "DESTROYED")));
  }

  idle(): Promise<RunnerRow[]> {
    return this.#db
      .select()
      .from(runners)
      .where(and(eq(runners.desired, "STOPPED"), inArray(runners.state, ["CREATING", "READY"])));
  }

  /** Stops a runner under its row's lock, so that a run which wants it back waits until it has stopped. */
  async rest(id: string, stop: () => Promise<void>): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const [row] = await tx
        .select()
        .from(runners)
        .where(and(eq(runners.id, id), eq(runners.desired, "STOPPED")))
        .for("update");
      if (!row) return;
      await stop();
      await tx
        .update(runners)
        .set({ state: row.error_message ? "ERROR" : "STOPPED", updated_at: new Date() })
        .where(eq(runners.id, id));
    });
  }

  /** Which of these ids are runners that should be somewhere. */
  async known(ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#db
      .select({ id: runners.id })
      .from(runners)
      .where(and(sql`${runners.id} = any(${sql.param(ids.filter(isUuid))}::uuid[])`, ne(runners.state, "DESTROYED")));
    return new Set(rows.map((row) => row.id));
  }
}

/** A backend may list what has another kind of name: no row has it. */
const isUuid = (id: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);

async function getBoardId(tx: Executor, taskId: string): Promise<string | null> {
  const [task] = await tx.select({ board_id: tasks.board_id }).from(tasks).where(eq(tasks.id, taskId));
  return task?.board_id ?? null;
}

export interface FreshRunner {
  readonly fresh: Pick<RunnerRow, "backend" | "tier" | "isolation">;
  /** Takes one that is ready out of the pool, if one is. */
  readonly claim: () => Promise<RunnerRow | undefined>;
}

/**
 * The runner a new run of a task works in: the one an earlier run left, with its workspace and the agent's sessions on its
 * disk, or a new one, from the pool if it has one. The caller holds the task's lock.
 */
export async function runnerFor(tx: Executor, taskId: string, { fresh, claim }: FreshRunner): Promise<string> {
  const [left] = await tx
    .select({ id: runners.id })
    .from(runs)
    .innerJoin(runners, eq(runners.id, runs.runner_id))
    .where(
      and(
        eq(runs.task_id, taskId),
        isNotNull(runs.runner_id),
        eq(runners.backend, fresh.backend),
        inArray(runners.state, ["READY", "STOPPED"]),
        isNull(runners.error_message),
      ),
    )
    .orderBy(desc(runs.created_at))
    .limit(1);
  if (left) {
    await tx.update(runners).set({ desired: "READY" }).where(eq(runners.id, left.id));
    return left.id;
  }
  const board_id = await getBoardId(tx, taskId);
  const warm = await claim();
  if (warm) {
    await tx.update(runners).set({ board_id }).where(eq(runners.id, warm.id));
    return warm.id;
  }
  const id = randomUUID();
  await tx.insert(runners).values({ id, board_id, ...fresh });
  return id;
}
