import {
  type Event,
  type EventData,
  type EventKind,
  type EventType,
  eventTypeByKind,
  getEnvelopeType,
  toList,
  WharfError,
} from "@wharf/contract";
import { and, asc, eq, gt, gte, inArray, isNull, lt, lte, type SQL, sql } from "drizzle-orm";
import { type Database, type Executor, maxPageBytes, schema } from "../store/index.ts";
import { EventBus } from "./event-bus.ts";
import { type FollowerOptions, Followers } from "./followers.ts";
import { readLastSeqs } from "./last-seqs.ts";
import { PublishedEvents, type PublishedBatch } from "./published/published-events.ts";

/** An event as its writer creates it; the log assigns its sequence. */
export interface NewEvent {
  readonly data: EventData;
  readonly type?: EventType;
  readonly run_id?: string;
  readonly timestamp?: Date;
  /** Position in the runner's journal, if the event came from one. */
  readonly journal?: { readonly epoch: string; readonly seq: number };
  readonly created_by?: string;
}

/** A transaction that may change rows and append events; readers see both together or neither. */
export interface LogWriter {
  readonly tx: Executor;
  /** Returns the events as the log stores them. */
  append(taskId: string, events: readonly NewEvent[]): Promise<readonly Event[]>;
  /** Inserts a task that has its first events, and returns it. */
  begin<T extends LoggedTask>(insertTask: (end: LogEnd) => Promise<T>, events: readonly NewEvent[]): Promise<T>;
}

/** Where the log of a task ends; its task's row stores it. */
export interface LogEnd {
  readonly last_seq: number;
  readonly log_bytes: number;
}

interface LoggedTask extends LogEnd {
  readonly id: string;
  readonly board_id: string;
}

/** What one call of `append` stored. */
interface StoredBatch extends PublishedBatch {
  readonly events: readonly Event[];
}

const { events, runs, tasks } = schema;

/** Which events of a log are read. */
export interface EventQuery {
  readonly after: number;
  readonly limit: number;
  readonly kind?: EventKind | readonly EventKind[] | undefined;
  readonly agent_id?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** How many events of the log a page with filters reads at most. */
const maxMatchedEvents = 10_000;

function createFilter({ kind, agent_id, since, until }: Omit<EventQuery, "after" | "limit">, end: number) {
  const kinds = toList(kind);
  return and(
    lte(events.seq, end),
    kinds && inArray(events.kind, [...kinds]),
    agent_id === undefined ? undefined : eq(events.run_id, agent_id),
    since === undefined ? undefined : gte(events.timestamp, new Date(since)),
    until === undefined ? undefined : lt(events.timestamp, new Date(until)),
  );
}

const megabyte = 1 << 20;

/**
 * Maximum number of events per statement: each takes eleven of the 65,535 parameters that a
 * statement may have.
 */
const maxInsertedEvents = 1_000;

/** Limits what runners may add to a log; the server's own events are always accepted. */
export interface LogLimits {
  readonly maxTaskMb: number;
  readonly maxRunMb: number;
}

export interface LogOptions extends FollowerOptions {
  readonly limits?: LogLimits;
}

const noLimits: LogLimits = { maxTaskMb: Infinity, maxRunMb: Infinity };

/**
 * The log of every task: appended in the transaction that makes the change it reports, read by
 * cursor.
 */
export class Log {
  readonly #db: Database;
  readonly #limits: LogLimits;
  readonly #bus = new EventBus();
  readonly #notifications: FollowerOptions["notifications"];
  /** Viewers of logs in this process; see `follow`. */
  readonly followers: Followers;
  /** The events of all tasks that boards get. */
  readonly published: PublishedEvents;

  constructor(db: Database, { limits = noLimits, ...options }: LogOptions = {}) {
    this.#db = db;
    this.#limits = limits;
    this.#notifications = options.notifications;
    this.followers = new Followers(this, options);
    this.published = new PublishedEvents(db, options);
  }

  /**
   * Runs a transaction; its events reach subscribers, here and in other processes, after the
   * commit.
   */
  async write<T>(work: (writer: LogWriter) => Promise<T>): Promise<T> {
    const appended: StoredBatch[] = [];
    const result = await this.#db.transaction(async (tx) => {
      const insert = async (task: LoggedTask, entries: readonly NewEvent[]) => {
        const batch = await insertEvents(tx, task, entries);
        await this.published.insert(tx, batch);
        appended.push(batch);
        return batch.events;
      };
      return work({
        tx,
        append: async (taskId, entries) =>
          entries.length === 0 ? [] : insert(await moveLogEnd(tx, taskId, { entries, limits: this.#limits }), entries),
        begin: async (insertTask, entries) => {
          const task = await insertTask({ last_seq: entries.length, log_bytes: countBytes(entries) });
          await insert(task, entries);
          return task;
        },
      });
    });
    for (const batch of appended) {
      const last = batch.events.at(-1);
      if (!last) continue;
      this.#bus.publish(last.task_id, batch.events);
      this.#notifications?.publishTask(last.task_id, last.seq);
      this.published.announce(batch);
    }
    return result;
  }

  /**
   * Reads the events after a cursor, up to a limit or to 1 MiB, whichever comes first: only an
   * empty page marks the end.
   */
  read(taskId: string, cursor: number, limit: number): Promise<Event[]> {
    return this.#readWhere(taskId, cursor, { limit });
  }

  /**
   * Reads a page of the events that match. A page reads a bounded part of the log, so that a filter
   * that matches few events costs no more than another: it may be empty although more follow.
   */
  async readMatching(
    { id, last_seq }: { readonly id: string; readonly last_seq: number },
    { after, limit, ...filter }: EventQuery,
  ): Promise<{ events: Event[]; next_after?: number; last_seq: number }> {
    const end = after + maxMatchedEvents;
    const found = await this.#readWhere(id, after, { limit, where: createFilter(filter, end) });
    const readTo = found.at(-1)?.seq ?? end;
    return { events: found, ...(readTo < last_seq && { next_after: readTo }), last_seq };
  }

  async #readWhere(
    taskId: string,
    cursor: number,
    { limit, where }: { limit: number; where?: SQL | undefined },
  ): Promise<Event[]> {
    // Rows of an earlier version do not store their size; their size on disk is known without
    // reading them.
    const size = sql<number>`greatest(${events.bytes}, pg_column_size(${events.data}))`;
    const page = this.#db
      .select({
        ...shownColumns,
        bytesBefore: sql<number>`sum(${size}) over (order by ${events.seq} rows unbounded preceding) - ${size}`.as(
          "bytes_before",
        ),
      })
      .from(events)
      .where(and(eq(events.task_id, taskId), gt(events.seq, cursor), where))
      .orderBy(asc(events.seq))
      .limit(limit)
      .as("page");
    const rows = await this.#db.select().from(page).where(lt(page.bytesBefore, maxPageBytes)).orderBy(asc(page.seq));
    return rows.map(toEvent);
  }

  readLastSeqs(taskIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return readLastSeqs(this.#db, taskIds);
  }

  /**
   * Calls the listener for every append to a task's log in this process, in no guaranteed order;
   * see `follow` for ordered events.
   */
  subscribe(taskId: string, listener: (events: readonly Event[]) => void): () => void {
    return this.#bus.subscribe(taskId, listener);
  }
}

const getSize = ({ data: content }: NewEvent): number => Buffer.byteLength(JSON.stringify(content));
const countBytes = (entries: readonly NewEvent[]): number => entries.reduce((sum, entry) => sum + getSize(entry), 0);

/**
 * Assigns the task's next sequences to events under the lock of the task's row, held until the
 * transaction ends: so no reader by cursor ever sees a later event before an earlier one.
 */
async function moveLogEnd(
  tx: Executor,
  taskId: string,
  { entries, limits }: { entries: readonly NewEvent[]; limits: LogLimits },
): Promise<LoggedTask> {
  const addedBytes = countBytes(entries);
  const [task] = await tx
    .update(tasks)
    .set({ last_seq: sql`${tasks.last_seq} + ${entries.length}`, log_bytes: sql`${tasks.log_bytes} + ${addedBytes}` })
    .where(and(eq(tasks.id, taskId), isNull(tasks.deleted_at)))
    .returning({ id: tasks.id, board_id: tasks.board_id, last_seq: tasks.last_seq, log_bytes: tasks.log_bytes });
  if (!task) throw new WharfError("task_not_found", { id: taskId });
  const reported = entries.find(({ journal }) => journal !== undefined);
  if (reported) await requireLogSpace(tx, { ...task, run_id: reported.run_id, limits });
  return task;
}

/** Inserts the events at the end of the task's log, which already counts them. */
async function insertEvents(tx: Executor, task: LoggedTask, entries: readonly NewEvent[]): Promise<StoredBatch> {
  const first = task.last_seq - entries.length + 1;
  const currentTime = new Date();
  const rows = entries.map((entry, i) => ({
    task_id: task.id,
    seq: first + i,
    run_id: entry.run_id ?? null,
    type: entry.type ?? eventTypeByKind[entry.data.kind],
    kind: entry.data.kind,
    data: entry.data,
    bytes: getSize(entry),
    timestamp: entry.timestamp ?? currentTime,
    journal_epoch: entry.journal?.epoch ?? null,
    journal_seq: entry.journal?.seq ?? null,
    created_by: entry.created_by ?? null,
  }));
  const ids = new Map<number, number>();
  for (let offset = 0; offset < rows.length; offset += maxInsertedEvents) {
    const part = rows.slice(offset, offset + maxInsertedEvents);
    const stored = await tx.insert(events).values(part).returning({ id: events.id, seq: events.seq });
    for (const row of stored) ids.set(row.seq, row.id);
  }
  const storedEvents = rows.map(toEvent);
  return {
    task_id: task.id,
    board_id: task.board_id,
    events: storedEvents,
    entries: storedEvents.map((event) => ({
      id: ids.get(event.seq)!,
      seq: event.seq,
      type: getEnvelopeType(event),
    })),
  };
}

/**
 * Stops a run that reports endlessly: the reader of its journal fails with this error, and the run
 * with it.
 */
async function requireLogSpace(
  tx: Executor,
  { log_bytes, run_id, limits }: { log_bytes: number; run_id: string | undefined; limits: LogLimits },
): Promise<void> {
  const { maxTaskMb, maxRunMb } = limits;
  if (log_bytes > maxTaskMb * megabyte) throw new WharfError("log_full", { what: "task", limit_mb: maxTaskMb });
  if (!run_id || log_bytes <= maxRunMb * megabyte) return;
  const [run] = await tx.select({ log_start: runs.log_start }).from(runs).where(eq(runs.id, run_id));
  if (run && log_bytes - run.log_start > maxRunMb * megabyte)
    throw new WharfError("log_full", { what: "run", limit_mb: maxRunMb });
}

const { seq, type, timestamp, run_id, task_id, data } = events;
const shownColumns = { seq, type, timestamp, run_id, task_id, data };
type EventRow = Pick<typeof events.$inferSelect, "seq" | "type" | "timestamp" | "run_id" | "task_id" | "data">;

function toEvent(row: EventRow): Event {
  const event = {
    seq: row.seq,
    type: row.type,
    timestamp: row.timestamp.toISOString(),
    task_id: row.task_id,
    data: row.data,
  };
  return row.run_id ? { ...event, agent_id: row.run_id } : event;
}
