import { type RunStatus, WharfError } from "@wharf/contract";
import { and, asc, count, desc, eq, isNotNull, isNull } from "drizzle-orm";
import { type Database, matchId, schema } from "../store/index.ts";
import { type TurnRow, turnColumns } from "./transitions.ts";

const { boards, runners, runs, tasks, turns } = schema;
type RunRow = typeof runs.$inferSelect;
export type RunView = RunRow & Partial<Pick<typeof runners.$inferSelect, "isolation" | "backend">>;

/** What is on a person's boards; deleted tasks and boards are nowhere. */
const visibleTo = (ownerId: string) =>
  and(eq(boards.owner_id, ownerId), isNull(boards.deleted_at), isNull(tasks.deleted_at));

interface Page {
  readonly limit: number;
  readonly offset: number;
}

/** Reads runs and turns for the people who may see their board. */
export class RunQueries {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async list(
    ownerId: string,
    filter: Page & { status?: RunStatus | undefined },
  ): Promise<{ agents: RunView[]; total: number }> {
    const where = and(visibleTo(ownerId), filter.status ? eq(runs.status, filter.status) : undefined);
    const [agents, [total]] = await Promise.all([
      this.#select(where).orderBy(desc(runs.created_at)).limit(filter.limit).offset(filter.offset),
      this.#db
        .select({ n: count() })
        .from(runs)
        .innerJoin(tasks, eq(tasks.id, runs.task_id))
        .innerJoin(boards, eq(boards.id, tasks.board_id))
        .where(where),
    ]);
    return { agents: agents.map(toView), total: total?.n ?? 0 };
  }

  async ofTask(taskId: string): Promise<RunView[]> {
    const rows = await this.#select(eq(runs.task_id, taskId)).orderBy(desc(runs.created_at));
    return rows.map(toView);
  }

  async find(ownerId: string, id: string): Promise<RunView> {
    const matches = matchId(runs.id, id);
    if (!matches) throw new WharfError("not_found", { what: "run", id });
    const rows = await this.#select(and(matches, visibleTo(ownerId))).limit(2);
    if (rows.length > 1) throw new WharfError("ambiguous_id", { what: "run", id });
    if (!rows[0]) throw new WharfError("not_found", { what: "run", id });
    return toView(rows[0]);
  }

  turnsOf(taskId: string): Promise<TurnRow[]> {
    return this.#db.select(turnColumns).from(turns).where(eq(turns.task_id, taskId)).orderBy(asc(turns.created_at));
  }

  /** Runs that wait for a slot, in the order they will get one. */
  async queue(
    ownerId: string,
    page: Page,
  ): Promise<{ tasks: { task_id: string; priority: number; queued_at: Date }[]; total: number }> {
    const where = and(isNotNull(runs.queued_at), visibleTo(ownerId));
    const from = () =>
      this.#db
        .select({ run: runs })
        .from(runs)
        .innerJoin(tasks, eq(tasks.id, runs.task_id))
        .innerJoin(boards, eq(boards.id, tasks.board_id))
        .where(where);
    const rows = await from().orderBy(desc(runs.priority), asc(runs.queued_at)).limit(page.limit).offset(page.offset);
    const [total] = await this.#db.select({ n: count() }).from(from().as("waiting"));
    return {
      tasks: rows.map(({ run }) => ({
        task_id: run.task_id,
        priority: run.priority,
        queued_at: run.queued_at ?? run.created_at,
      })),
      total: total?.n ?? 0,
    };
  }

  #select(where: Parameters<ReturnType<ReturnType<Database["select"]>["from"]>["where"]>[0]) {
    return this.#db
      .select({ run: runs, runner: { isolation: runners.isolation, backend: runners.backend } })
      .from(runs)
      .innerJoin(tasks, eq(tasks.id, runs.task_id))
      .innerJoin(boards, eq(boards.id, tasks.board_id))
      .leftJoin(runners, eq(runners.id, runs.runner_id))
      .where(where)
      .$dynamic();
  }
}

const toView = ({
  run,
  runner,
}: {
  run: RunRow;
  runner: Pick<typeof runners.$inferSelect, "isolation" | "backend"> | null;
}): RunView => ({ ...run, ...runner });
