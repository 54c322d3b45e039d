import { randomUUID } from "node:crypto";
import { type CommentInput, type EventDataByKind, WharfError } from "@wharf/contract";
import { and, asc, count, eq, isNull, sql } from "drizzle-orm";
import { isVisibleTask, type Scope, selectBoardRole } from "../access/index.ts";
import type { Log, LogWriter } from "../events/index.ts";
import {
  type Database,
  type Executor,
  omitUndefined,
  type PageQuery,
  parseCursor,
  schema,
  toPage,
} from "../store/index.ts";
import { lockTask } from "./tasks.ts";

const { boards, task_comments, tasks, turns, users } = schema;

/** Limit of comments per task: more are a mistake of a program. */
const maxComments = 1_000;

export type CommentRow = typeof task_comments.$inferSelect & { readonly author: string | null };
const commentColumns = {
  id: task_comments.id,
  task_id: task_comments.task_id,
  author_id: task_comments.author_id,
  text: task_comments.text,
  file: task_comments.file,
  line: task_comments.line,
  side: task_comments.side,
  turn_id: task_comments.turn_id,
  sent_turn_id: task_comments.sent_turn_id,
  created_at: task_comments.created_at,
  updated_at: task_comments.updated_at,
  author: users.username,
};

/**
 * Comments of people on tasks. A comment is open until a prompt sends it to the agent. Every change
 * holds the task's lock, so that a prompt sends each comment as it is, and once.
 */
export class Comments {
  readonly #db: Database;
  readonly #log: Log;

  constructor(db: Database, log: Log) {
    this.#db = db;
    this.#log = log;
  }

  create(scope: Scope, taskId: string, input: CommentInput): Promise<CommentRow> {
    const id = randomUUID();
    return this.#log.write(async (writer) => {
      const { tx } = writer;
      await lockTask(tx, taskId);
      const [existing] = await tx
        .select({ count: count() })
        .from(task_comments)
        .where(eq(task_comments.task_id, taskId));
      if ((existing?.count ?? 0) >= maxComments)
        throw new WharfError("comments_full", { task_id: taskId, limit: maxComments });
      if (input.turn_id !== undefined) await requireTurn(tx, taskId, input.turn_id);
      const side = input.line === undefined ? undefined : (input.side ?? "new");
      const values = { ...omitUndefined({ ...input, side }), id, task_id: taskId, author_id: scope.user_id };
      await tx.insert(task_comments).values(values);
      const comment = await getComment(tx, id);
      await appendChange(writer, comment, { status: "added", by: scope.user_id });
      return comment;
    });
  }

  /** Returns a task's comments, oldest first. */
  async list(
    taskId: string,
    { open: isOpenOnly, ...page }: PageQuery & { readonly open: boolean },
  ): Promise<{ comments: CommentRow[]; next_cursor?: string }> {
    const cursor = parseCursor(page.cursor, ["time", "uuid"]);
    const afterCursor =
      cursor &&
      sql`(${task_comments.created_at}, ${task_comments.id}) > (${cursor[0]}::timestamptz, ${cursor[1]}::uuid)`;
    const isListed = and(
      eq(task_comments.task_id, taskId),
      afterCursor,
      isOpenOnly ? isNull(task_comments.sent_turn_id) : undefined,
    );
    const rows = await this.#db
      .select({ comment: { ...commentColumns }, at: sql<string>`${task_comments.created_at}::text` })
      .from(task_comments)
      .leftJoin(users, eq(users.id, task_comments.author_id))
      .where(isListed)
      .orderBy(asc(task_comments.created_at), asc(task_comments.id))
      .limit(page.limit + 1);
    const cut = { limit: page.limit, cursorAfter: ({ comment, at }: (typeof rows)[number]) => [at, comment.id] };
    const { rows: pageRows, ...end } = toPage(rows, cut);
    return { comments: pageRows.map(({ comment }) => comment), ...end };
  }

  update(scope: Scope, taskId: string, change: { id: string; text: string }): Promise<CommentRow> {
    return this.#log.write(async (writer) => {
      const { comment } = await this.#findOwn(writer.tx, scope, { taskId, id: change.id });
      if (comment.author_id !== scope.user_id) throw new WharfError("comment_of_another", { id: change.id });
      await writer.tx
        .update(task_comments)
        .set({ text: change.text, updated_at: new Date() })
        .where(eq(task_comments.id, change.id));
      await appendChange(writer, comment, { status: "changed", by: scope.user_id });
      return getComment(writer.tx, change.id);
    });
  }

  /** Deletes a comment of the caller, or any comment for an owner of the board. */
  async remove(scope: Scope, taskId: string, id: string): Promise<void> {
    await this.#log.write(async (writer) => {
      const { comment, role } = await this.#findOwn(writer.tx, scope, { taskId, id });
      if (comment.author_id !== scope.user_id && role !== "owner") throw new WharfError("comment_of_another", { id });
      await writer.tx.delete(task_comments).where(eq(task_comments.id, id));
      await appendChange(writer, comment, { status: "deleted", by: scope.user_id });
    });
  }

  /** Locks the task, and returns one of its comments with the caller's role on the board. */
  async #findOwn(tx: Executor, scope: Scope, { taskId, id }: { taskId: string; id: string }) {
    await lockTask(tx, taskId);
    const [found] = await tx
      .select({ comment: { ...commentColumns }, role: selectBoardRole(scope) })
      .from(task_comments)
      .innerJoin(tasks, eq(tasks.id, task_comments.task_id))
      .innerJoin(boards, eq(boards.id, tasks.board_id))
      .leftJoin(users, eq(users.id, task_comments.author_id))
      .where(and(eq(task_comments.id, id), eq(task_comments.task_id, taskId), isVisibleTask(scope)));
    if (!found) throw new WharfError("comment_not_found", { id });
    return found;
  }
}

async function getComment(tx: Executor, id: string): Promise<CommentRow> {
  const [comment] = await tx
    .select(commentColumns)
    .from(task_comments)
    .leftJoin(users, eq(users.id, task_comments.author_id))
    .where(eq(task_comments.id, id));
  if (!comment) throw new WharfError("comment_not_found", { id });
  return comment;
}

async function requireTurn(tx: Executor, taskId: string, turnId: string): Promise<void> {
  const isOfTask = and(eq(turns.id, turnId), eq(turns.task_id, taskId));
  const [turn] = await tx.select({ id: turns.id }).from(turns).where(isOfTask);
  if (!turn) throw new WharfError("turn_not_found", { id: turnId });
}

interface CommentChange {
  readonly status: EventDataByKind<"comment">["status"];
  readonly by: string;
}

async function appendChange(
  writer: LogWriter,
  { id, task_id, file, line }: CommentRow,
  { status, by: userId }: CommentChange,
): Promise<void> {
  const [user] = await writer.tx.select({ username: users.username }).from(users).where(eq(users.id, userId));
  const place = { ...(file !== null && { file }), ...(line !== null && { line }) };
  const data = { kind: "comment" as const, comment_id: id, status, by: user?.username ?? userId, ...place };
  await writer.append(task_id, [{ created_by: userId, data }]);
}

/** Returns a task's open comments, oldest first. The caller holds the task's lock. */
export function readOpenComments(tx: Executor, taskId: string): Promise<CommentRow[]> {
  return tx
    .select(commentColumns)
    .from(task_comments)
    .leftJoin(users, eq(users.id, task_comments.author_id))
    .where(and(eq(task_comments.task_id, taskId), isNull(task_comments.sent_turn_id)))
    .orderBy(asc(task_comments.created_at), asc(task_comments.id));
}

/** Records the turn that sent a task's open comments. The caller holds the task's lock. */
export async function markCommentsSent(tx: Executor, taskId: string, turnId: string): Promise<void> {
  await tx
    .update(task_comments)
    .set({ sent_turn_id: turnId })
    .where(and(eq(task_comments.task_id, taskId), isNull(task_comments.sent_turn_id)));
}
