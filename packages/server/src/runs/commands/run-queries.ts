import { type BoardRole, type RunStatus, WharfError } from "@wharf/contract";
import { and, asc, desc, eq, type SQL, sql } from "drizzle-orm";
import {
  isVisibleBoard,
  isVisibleTask,
  requireBoardPermission,
  type Scope,
  selectBoardRole,
  type VisibilityScope,
} from "../../access/index.ts";
import {
  countNewest,
  createCursorLookup,
  toPage,
  type Database,
  formatCursor,
  createIdCondition,
  countPageRows,
  type NewestQuery,
  type PageQuery,
  parseCursor,
  readNewestKeys,
  schema,
  sortByKeys,
} from "../../store/index.ts";
import type { TaskRow } from "../../tasks/index.ts";
import { type TurnRow, turnColumns } from "../state/transitions.ts";
import { type LogFilter, type LogPage, readLogLines, type RunPart } from "./log-lines.ts";
import { readProgress, type TaskProgress } from "./task-progress.ts";
import { findTurnCommits, type TurnCommits } from "./turn-commits.ts";

const { boards, events, runners, runs, tasks, turns } = schema;
type RunRow = typeof runs.$inferSelect;
export type RunView = RunRow & Partial<Pick<typeof runners.$inferSelect, "isolation" | "backend">>;

/** What is known about the work on a task at this moment. */
interface TaskStatus extends TaskProgress {
  readonly run: RunView | undefined;
  readonly last_activity: Date | null;
}

interface RunPage {
  readonly agents: RunView[];
  readonly next_cursor?: string;
}
interface TotalCount {
  readonly total: number;
  readonly total_capped?: true;
}

/** Counting stops at this limit for a list of runs. */
const maxCounted = 1_000;

/** Reads runs and turns for the people who may see their board. */
export class RunQueries {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Returns the newest runs first. */
  async list(
    scope: VisibilityScope,
    filter: PageQuery & { status?: RunStatus | undefined; agent_type?: string | undefined },
  ): Promise<RunPage & TotalCount> {
    const inStatus = filter.status ? sql`status = ${filter.status}` : sql`true`;
    const ofType = filter.agent_type === undefined ? sql`true` : sql`agent_type = ${filter.agent_type}`;
    const where = sql`${inStatus} and ${ofType}`;
    const newest: NewestQuery = { table: "runs", where, boards: isVisibleBoard(scope) };
    const [keys, total] = await Promise.all([
      readNewestKeys(this.#db, newest, filter),
      countNewest(this.#db, newest, maxCounted),
    ]);
    const ids = keys.map(({ id }) => id);
    const rows = await this.#selectRuns(sql`${runs.id} = any(${sql.param(ids)}::uuid[])`);
    const cut = { limit: filter.limit, cursorAfter: createCursorLookup(keys) };
    const { rows: page, ...end } = toPage(sortByKeys(rows.map(toView), keys), cut);
    return { agents: page, ...total, ...end };
  }

  /** Returns a task's runs, newest first. */
  async listForTask(taskId: string, page: PageQuery): Promise<RunPage> {
    const cursor = parseCursor(page.cursor, ["time", "uuid"]);
    const afterCursor =
      cursor && sql`(${runs.created_at}, ${runs.id}) < (${cursor[0]}::timestamptz, ${cursor[1]}::uuid)`;
    const keys = await this.#db
      .select({ id: runs.id, createdAt: sql<string>`${runs.created_at}::text` })
      .from(runs)
      .where(and(eq(runs.task_id, taskId), afterCursor))
      .orderBy(desc(runs.created_at), desc(runs.id))
      .limit(page.limit + 1);
    const ids = keys.map(({ id }) => id);
    const rows = await this.#selectRuns(sql`${runs.id} = any(${sql.param(ids)}::uuid[])`);
    const rowKeys = keys.map(({ id, createdAt }) => ({ id, cursor: [createdAt, id] }));
    const cut = { limit: page.limit, cursorAfter: createCursorLookup(rowKeys) };
    const { rows: agents, ...end } = toPage(sortByKeys(rows.map(toView), keys), cut);
    return { agents, ...end };
  }

  /** Returns the task's current run, or its last one. */
  async getLatestRun(taskId: string): Promise<RunView | undefined> {
    return (await this.listForTask(taskId, { limit: 1 })).agents[0];
  }

  /** Returns the log of a task as lines of text, or the part of it that belongs to a run. */
  listLogs(part: { readonly taskId: string; readonly run?: RunPart }, filter: LogFilter): Promise<LogPage> {
    return readLogLines(this.#db, part, filter);
  }

  /** Returns the task's latest run with the progress of its agent. */
  async getStatus({ id, last_seq }: TaskRow): Promise<TaskStatus> {
    const run = await this.getLatestRun(id);
    const [progress, [last]] = await Promise.all([
      readProgress(this.#db, run),
      this.#db
        .select({ timestamp: events.timestamp })
        .from(events)
        .where(and(eq(events.task_id, id), eq(events.seq, last_seq))),
    ]);
    return { run, last_activity: last?.timestamp ?? null, ...progress };
  }

  async getRun(scope: Scope, id: string): Promise<RunView> {
    const matches = createIdCondition(runs.id, id);
    if (!matches) throw new WharfError("run_not_found", { id });
    const rows = await this.#selectRuns(and(matches, isVisibleTask(scope)), selectBoardRole(scope)).limit(2);
    if (rows.length > 1) throw new WharfError("ambiguous_id", { what: "run", id });
    if (!rows[0]) throw new WharfError("run_not_found", { id });
    requireBoardPermission(scope, rows[0].role);
    return toView(rows[0]);
  }

  /**
   * Returns a task's turns, oldest first. Prompts may be long, so their sizes decide how many are
   * read.
   */
  async listTurns(taskId: string, page: PageQuery): Promise<{ turns: TurnRow[]; next_cursor?: string }> {
    const cursor = parseCursor(page.cursor, ["time", "uuid"]);
    const afterCursor =
      cursor && sql`(${turns.created_at}, ${turns.id}) > (${cursor[0]}::timestamptz, ${cursor[1]}::uuid)`;
    const keys = await this.#db
      .select({
        id: turns.id,
        at: sql<string>`${turns.created_at}::text`,
        size: sql<number>`octet_length(${turns.prompt}) + 500`,
      })
      .from(turns)
      .where(and(eq(turns.task_id, taskId), afterCursor))
      .orderBy(asc(turns.created_at), asc(turns.id))
      .limit(page.limit + 1);
    const sizes = keys.map(({ size }) => size);
    const pageKeys = keys.slice(0, countPageRows(sizes, page.limit));
    const last = pageKeys.at(-1);
    const ids = pageKeys.map(({ id }) => id);
    const rows = await this.#db
      .select(turnColumns)
      .from(turns)
      .where(sql`${turns.id} = any(${sql.param(ids)}::uuid[])`);
    const hasMore = last !== undefined && pageKeys.length < keys.length;
    return { turns: sortByKeys(rows, pageKeys), ...(hasMore && { next_cursor: formatCursor([last.at, last.id]) }) };
  }

  /** Finds the commits of a turn, which `choice` names by its number, its id or `last`. */
  getTurnCommits(taskId: string, choice: string): Promise<TurnCommits> {
    return findTurnCommits(this.#db, taskId, choice);
  }

  #selectRuns(where: SQL | undefined, role: SQL<BoardRole> = sql`null`) {
    // The limit keeps this a lookup per run; a plain join would scan all runners.
    const runner = this.#db
      .select({ isolation: runners.isolation, backend: runners.backend })
      .from(runners)
      .where(eq(runners.id, runs.runner_id))
      .limit(1)
      .as("runner");
    return this.#db
      .select({ role, run: runs, runner: { isolation: runner.isolation, backend: runner.backend } })
      .from(runs)
      .innerJoin(tasks, eq(tasks.id, runs.task_id))
      .innerJoin(boards, eq(boards.id, tasks.board_id))
      .leftJoinLateral(runner, sql`true`)
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
