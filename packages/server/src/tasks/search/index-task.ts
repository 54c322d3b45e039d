import type { Event } from "@wharf/contract";
import { and, asc, eq, isNull, sql } from "drizzle-orm";
import type { Log } from "../../events/index.ts";
import { type Database, type Executor, schema } from "../../store/index.ts";
import { createDocuments, type LogDocument } from "./documents.ts";
import { formatVector, type WeightedText } from "./words.ts";

const { boards, search_documents, search_positions, task_comments, tasks } = schema;

/** Maximum number of events to read at once; the log ends a page at 1 MiB. */
const maxEvents = 1_000;
/** Rows per statement, each of at most about 1 MiB. */
const maxInserted = 20;

interface Position {
  readonly seq: number;
  readonly open_seq: number | null;
}

interface TaskTexts {
  readonly id: string;
  readonly board_id: string;
  readonly organization_id: string;
  readonly title: string;
  readonly description: string;
  readonly last_seq: number;
  readonly created_at: Date;
}

type NewDocument = typeof search_documents.$inferInsert;

export interface IndexingContext {
  readonly db: Database;
  readonly log: Pick<Log, "read">;
  readonly redact: (text: string) => string;
}

/** Labels of documents, by which the index finds those that a person may see. */
export const getBoardLabel = (id: string): string => `board:${id}`;
export const getOrganizationLabel = (id: string): string => `organization:${id}`;

/**
 * Takes a task's next events into the documents; returns whether there may be more of them. The
 * position changes in the transaction that stores the documents, and only if it is still the one
 * that was read: a second writer changes nothing.
 */
export async function indexTask({ db, log, redact }: IndexingContext, taskId: string): Promise<boolean> {
  const task = await readTask(db, taskId);
  if (!task) return false;
  const position = await readPosition(db, taskId);
  const first = position?.open_seq ?? (position?.seq ?? 0) + 1;
  const events = await log.read(taskId, first - 1, maxEvents);
  const documents = createDocuments(events, redact);
  const last = events.at(-1);
  const seq = last?.seq ?? Math.max(task.last_seq, position?.seq ?? 0);
  const open = documents.at(-1);
  const openSeq = open?.isOpen && open.last_seq === seq ? open.first_seq : null;
  const labels = [getBoardLabel(task.board_id), getOrganizationLabel(task.organization_id)];
  const texts =
    position === undefined || events.some(isTextChange) ? await readTexts(db, task, { labels, redact }) : undefined;
  const rows = documents.map((document) => toRow(taskId, document, labels));
  await db.transaction(async (tx) => {
    if (!(await movePosition(tx, { taskId, from: position, to: { seq, open_seq: openSeq } }))) return;
    if (position?.open_seq) await removeLog(tx, taskId, position.open_seq);
    if (texts && position) await removeTexts(tx, taskId);
    await insertDocuments(tx, [...rows, ...(texts ?? [])]);
  });
  return seq < task.last_seq;
}

/** Whether an event reports a change of texts that are not in the log. */
const isTextChange = ({ data }: Event): boolean => data.kind === "comment" || data.kind === "update";

async function readTask(db: Database, taskId: string): Promise<TaskTexts | undefined> {
  const { id, board_id, title, description, last_seq, created_at } = tasks;
  const columns = { id, board_id, title, description, last_seq, created_at, organization_id: boards.organization_id };
  const [task] = await db
    .select(columns)
    .from(tasks)
    .innerJoin(boards, eq(boards.id, tasks.board_id))
    .where(and(eq(tasks.id, taskId), isNull(tasks.deleted_at)));
  return task;
}

async function readPosition(db: Database, taskId: string): Promise<Position | undefined> {
  const { seq, open_seq } = search_positions;
  const [position] = await db
    .select({ seq, open_seq })
    .from(search_positions)
    .where(eq(search_positions.task_id, taskId));
  return position;
}

interface TextOptions {
  readonly labels: readonly string[];
  readonly redact: (text: string) => string;
}

/** Reads the documents of a task outside its log: one of the task, and one of each comment. */
async function readTexts(db: Database, task: TaskTexts, { labels, redact }: TextOptions): Promise<NewDocument[]> {
  const { id: taskId, title, description } = task;
  const comments = await db
    .select({ id: task_comments.id, text: task_comments.text, created_at: task_comments.created_at })
    .from(task_comments)
    .where(eq(task_comments.task_id, taskId))
    .orderBy(asc(task_comments.created_at), asc(task_comments.id));
  const toVector = (texts: readonly WeightedText[]) =>
    formatVector(
      texts.map(({ text, weight }) => ({ text: redact(text), weight })),
      labels,
    );
  const words = toVector([
    { text: title, weight: "A" },
    { text: description, weight: "B" },
  ]);
  return [
    { task_id: taskId, kind: "task", created_at: task.created_at, words },
    ...comments.map(({ id, text, created_at }): NewDocument => {
      return { task_id: taskId, kind: "comment", comment_id: id, created_at, words: toVector([{ text, weight: "B" }]) };
    }),
  ];
}

const toRow = (taskId: string, document: LogDocument, labels: readonly string[]): NewDocument => ({
  task_id: taskId,
  kind: "log",
  run_id: document.run_id ?? null,
  first_seq: document.first_seq,
  last_seq: document.last_seq,
  created_at: new Date(document.timestamp),
  words: formatVector([document], labels),
});

/** Returns whether the position was still the one that was read. */
async function movePosition(
  tx: Executor,
  { taskId, from, to }: { taskId: string; from: Position | undefined; to: Position },
): Promise<boolean> {
  const moved = from
    ? await tx
        .update(search_positions)
        .set(to)
        .where(
          and(
            eq(search_positions.task_id, taskId),
            eq(search_positions.seq, from.seq),
            sql`${search_positions.open_seq} is not distinct from ${from.open_seq}::bigint`,
          ),
        )
    : await tx
        .insert(search_positions)
        .values({ task_id: taskId, ...to })
        .onConflictDoNothing();
  return moved.rowCount === 1;
}

const removeLog = (tx: Executor, taskId: string, firstSeq: number) =>
  tx
    .delete(search_documents)
    .where(and(eq(search_documents.task_id, taskId), sql`${search_documents.first_seq} >= ${firstSeq}`));

const removeTexts = (tx: Executor, taskId: string) =>
  tx.delete(search_documents).where(and(eq(search_documents.task_id, taskId), sql`${search_documents.kind} <> 'log'`));

async function insertDocuments(tx: Executor, rows: readonly NewDocument[]): Promise<void> {
  for (let offset = 0; offset < rows.length; offset += maxInserted)
    await tx.insert(search_documents).values(rows.slice(offset, offset + maxInserted));
}
