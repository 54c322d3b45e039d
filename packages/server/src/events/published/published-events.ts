import { setTimeout as sleep } from "node:timers/promises";
import { type EnvelopeType, envelopeTypes, WharfError } from "@wharf/contract";
import type { Database, Executor, Notifications } from "../../store/index.ts";
import { Feed, type FeedSubscription } from "../feed.ts";
import { encodeFrame } from "../frame.ts";
import { Permits } from "../permits.ts";
import { retryWhileUnavailable } from "../retry.ts";
import { insertPublished, type PublishedReference } from "./insert-published.ts";
import { numberPublished } from "./number-published.ts";
import { type PublishedEvent, type PublishedFilter, readPublished, readPublishedBounds } from "./read-published.ts";

/** Maximum number of events per page. */
const maxPageEvents = 250;
/** Maximum number of pages that lagging readers of this process read at once. */
const maxPageReads = 2;
/** How long a task's progress waits for a later one that replaces it. */
const progressIntervalMs = 1_000;
/**
 * Interval for which events are collected before they get their positions, because each numbering
 * is a transaction.
 */
const numberingIntervalMs = 20;
const defaultLookIntervalMs = 60_000;
/** Wakes the readers of other processes. */
const wakeupName = "published";

/** What was appended to a task's log. */
export interface PublishedBatch {
  readonly task_id: string;
  readonly board_id: string;
  readonly entries: readonly (PublishedReference & { readonly type: EnvelopeType })[];
}

interface PendingProgress extends PublishedReference {
  readonly task_id: string;
  readonly board_id: string;
}

export interface PublishedOptions {
  readonly notifications?: Notifications | undefined;
  /** @default 60_000 */
  readonly lookIntervalMs?: number | undefined;
}

/**
 * The events of all tasks in one order, for readers of boards:
 *
 *   append ── in its transaction ──► row without position ── commit ──► numbered ──► feed
 *                                          └── the process died: the next numbering takes it
 *
 * Positions are given after the commit, so writers of different tasks do not wait for each other,
 * and one numbering takes all rows that wait: the first one after a quiet period at once, the next
 * ones together. Progress is the exception: agents may report it a thousand times a second, so only
 * the latest one of each second becomes a row.
 */
export class PublishedEvents {
  readonly #db: Database;
  readonly #notifications: Notifications | undefined;
  readonly #lookIntervalMs: number;
  readonly #pageReads = new Permits(maxPageReads);
  readonly #progress = new Map<string, PendingProgress>();
  #feed: Feed<PublishedEvent> | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  #isNumbering = false;
  #isNumberingDue = false;
  #numberedAt = -numberingIntervalMs;

  constructor(db: Database, { notifications, lookIntervalMs = defaultLookIntervalMs }: PublishedOptions = {}) {
    this.#db = db;
    this.#notifications = notifications;
    this.#lookIntervalMs = lookIntervalMs;
    notifications?.subscribe({
      onWakeup: (name) => {
        if (name === wakeupName) void this.#lookUp();
      },
      // The rows of a process that died wait for a position.
      onMissed: () => this.number(),
    });
  }

  /** Adds what boards get of a batch, in the transaction that appends it to the log. */
  async insert(tx: Executor, batch: PublishedBatch): Promise<void> {
    const { others, earlierProgress } = divideBatch(batch);
    if (others.length === 0) return;
    // Earlier progress of the task keeps its place before these events.
    const progress = earlierProgress ?? this.#progress.get(batch.task_id);
    await insertPublished(tx, batch, progress ? [progress, ...others] : others);
  }

  /** Continues with a batch after its commit. */
  announce(batch: PublishedBatch): void {
    const { task_id, board_id } = batch;
    const { others, laterProgress } = divideBatch(batch);
    if (others.length > 0) this.#progress.delete(task_id);
    if (laterProgress) this.#deferProgress({ ...laterProgress, task_id, board_id });
    if (others.length > 0) this.number();
  }

  /** Gives all committed events a position, and wakes the readers. */
  number(): void {
    this.#isNumberingDue = true;
    if (!this.#isNumbering) void this.#numberAll();
  }

  /** Joins the end of the log. */
  join(signal: AbortSignal): FeedSubscription<PublishedEvent> {
    return (this.#feed ?? this.#openFeed()).join(signal);
  }

  /** Reads a page for a reader that lags, and the position up to which the page is complete. */
  async readPage(
    cursor: number,
    { filter, signal }: { readonly filter: PublishedFilter; readonly signal: AbortSignal },
  ): Promise<{ readonly events: readonly PublishedEvent[]; readonly position: number }> {
    using _permit = await this.#pageReads.acquire();
    return await retryWhileUnavailable(async () => {
      const { removed, last } = await readPublishedBounds(this.#db);
      if (cursor < removed) throw new WharfError("cursor_expired", { cursor: String(cursor) });
      const events = await readPublished(this.#db, { after: cursor, limit: maxPageEvents, filter });
      return { events, position: events.at(-1)?.seq ?? Math.max(cursor, last) };
    }, signal);
  }

  /** Returns the position of a new reader: that of its cursor, or the present end. */
  async findStart(cursor: number | undefined): Promise<number> {
    const { removed, last } = await readPublishedBounds(this.#db);
    if (cursor === undefined) return last;
    if (cursor < removed || cursor > last) throw new WharfError("cursor_expired", { cursor: String(cursor) });
    return cursor;
  }

  #openFeed(): Feed<PublishedEvent> {
    const feed: Feed<PublishedEvent> = new Feed({
      read: (after) => retryWhileUnavailable(() => readPublished(this.#db, { after, limit: maxPageEvents })),
      getBytes: ({ envelope }) => (envelope ? encodeFrame(envelope).length : 0),
      onEmpty: () => {
        if (this.#feed === feed) this.#feed = undefined;
        clearInterval(this.#lookTimer);
        this.#lookTimer = undefined;
      },
    });
    this.#feed = feed;
    this.#lookTimer ??= setInterval(() => this.number(), this.#lookIntervalMs).unref();
    void this.#lookUp();
    return feed;
  }

  async #lookUp(): Promise<void> {
    const feed = this.#feed;
    if (!feed) return;
    try {
      const { last } = await retryWhileUnavailable(() => readPublishedBounds(this.#db));
      feed.setTail(last);
    } catch (error) {
      if (this.#feed === feed) this.#feed = undefined;
      feed.fail(error);
    }
  }

  async #numberAll(): Promise<void> {
    this.#isNumbering = true;
    while (this.#isNumberingDue) {
      const delayMs = this.#numberedAt + numberingIntervalMs - performance.now();
      if (delayMs > 0) await sleep(delayMs, undefined, { ref: false });
      this.#isNumberingDue = false;
      try {
        const position = await numberPublished(this.#db);
        this.#feed?.updateKnownSeq(position);
        this.#notifications?.publishWakeup(wakeupName);
      } catch {
        // The rows wait: the next event, the next look, or another process numbers them.
      }
      this.#numberedAt = performance.now();
    }
    this.#isNumbering = false;
  }

  #deferProgress(progress: PendingProgress): void {
    if (this.#progress.size === 0) setTimeout(() => void this.#publishProgress(), progressIntervalMs).unref();
    this.#progress.set(progress.task_id, progress);
  }

  async #publishProgress(): Promise<void> {
    const pending = [...this.#progress.values()];
    this.#progress.clear();
    try {
      for (const progress of pending) await insertPublished(this.#db, progress, [progress]);
    } catch {
      // The task's log has the progress; its next one reaches the boards again.
    }
    this.number();
  }
}

/** Separates the latest progress before and after the last other event that boards get. */
function divideBatch({ entries }: PublishedBatch) {
  const isProgress = ({ type }: { readonly type: EnvelopeType }) => type === "agent.progress";
  const isOther = ({ type }: { readonly type: EnvelopeType }) =>
    envelopeTypes[type].isPublished && type !== "agent.progress";
  const end = entries.findLastIndex(isOther) + 1;
  return {
    others: entries.filter(isOther),
    earlierProgress: entries.slice(0, end).findLast(isProgress),
    laterProgress: entries.slice(end).findLast(isProgress),
  };
}
