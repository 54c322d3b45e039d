import { setImmediate } from "node:timers/promises";
import type { Event } from "@wharf/contract";
import type { Notifications } from "../store/index.ts";
import { Feed, type FeedSubscription } from "./feed.ts";
import { encodeFrame } from "./frame.ts";
import { Permits } from "./permits.ts";
import { retryWhileUnavailable } from "./retry.ts";

/** Maximum number of events per page, for viewers and feeds that catch up. */
const maxPageEvents = 250;
/** Maximum concurrent page reads: by lagging viewers, and by feeds for all of their viewers. */
const maxPageReads = 2;
const maxFeedReads = 4;
/** Maximum number of tasks whose last sequences are read in one statement. */
const maxLookTasks = 5_000;
const defaultLookIntervalMs = 60_000;

/** The parts of the log that followers use. */
export interface FollowedLog {
  read(taskId: string, after: number, limit: number): Promise<readonly Event[]>;
  readLastSeqs(taskIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  subscribe(taskId: string, listener: (events: readonly Event[]) => void): () => void;
}

export interface FollowerOptions {
  /** Announces appends by other processes. Without it, only the periodic lookup finds them. */
  readonly notifications?: Notifications | undefined;
  /**
   * Interval at which the ends of all followed logs are looked up, in case a notification was lost.
   * @default 60_000
   */
  readonly lookIntervalMs?: number | undefined;
}

/**
 * The feeds of the tasks that are viewed in this process, one per task. This process's own appends
 * reach a feed when they are committed; those of other processes as a sequence to read up to. The
 * end of each log is looked up when its feed begins, once a minute, and after notifications may
 * have been lost, for all feeds together.
 */
export class Followers {
  readonly #log: FollowedLog;
  readonly #feeds = new Map<string, Feed<Event>>();
  readonly #pageReads = new Permits(maxPageReads);
  readonly #feedReads = new Permits(maxFeedReads);
  readonly #lookIntervalMs: number;
  readonly #dueTasks = new Set<string>();
  #isLookingUp = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(log: FollowedLog, { notifications, lookIntervalMs = defaultLookIntervalMs }: FollowerOptions = {}) {
    this.#log = log;
    this.#lookIntervalMs = lookIntervalMs;
    notifications?.subscribe({
      onTask: (taskId, lastSeq) => this.#feeds.get(taskId)?.updateKnownSeq(lastSeq),
      onMissed: () => this.#scheduleLookUp(this.#feeds.keys()),
    });
  }

  join(taskId: string, signal: AbortSignal): FeedSubscription<Event> {
    return (this.#feeds.get(taskId) ?? this.#openFeed(taskId)).join(signal);
  }

  /** Reads a page for a viewer that lags behind its feed. */
  readPage(taskId: string, cursor: number, signal: AbortSignal): Promise<readonly Event[]> {
    return retryWhileUnavailable(() => this.#readPermitted(this.#pageReads, taskId, cursor), signal);
  }

  #openFeed(taskId: string): Feed<Event> {
    const feed: Feed<Event> = new Feed({
      read: (cursor) => retryWhileUnavailable(() => this.#readPermitted(this.#feedReads, taskId, cursor)),
      getBytes: (event) => encodeFrame(event).length,
      onEmpty: () => {
        unsubscribe();
        if (this.#feeds.get(taskId) === feed) this.#feeds.delete(taskId);
        if (this.#feeds.size > 0) return;
        clearInterval(this.#timer);
        this.#timer = undefined;
      },
    });
    const unsubscribe = this.#log.subscribe(taskId, (events) => feed.add(events));
    this.#feeds.set(taskId, feed);
    this.#scheduleLookUp([taskId]);
    this.#timer ??= setInterval(() => this.#scheduleLookUp(this.#feeds.keys()), this.#lookIntervalMs).unref();
    return feed;
  }

  async #readPermitted(permits: Permits, taskId: string, cursor: number): Promise<readonly Event[]> {
    using _permit = await permits.acquire();
    return await this.#log.read(taskId, cursor, maxPageEvents);
  }

  #scheduleLookUp(taskIds: Iterable<string>): void {
    for (const taskId of taskIds) this.#dueTasks.add(taskId);
    if (!this.#isLookingUp) void this.#lookUpLastSeqs();
  }

  async #lookUpLastSeqs(): Promise<void> {
    this.#isLookingUp = true;
    // Feeds that open at the same time share one statement.
    await setImmediate();
    while (this.#dueTasks.size > 0) {
      const taskIds = [...this.#dueTasks].slice(0, maxLookTasks);
      for (const taskId of taskIds) this.#dueTasks.delete(taskId);
      try {
        const lastSeqs = await retryWhileUnavailable(() => this.#log.readLastSeqs(taskIds));
        for (const taskId of taskIds) this.#feeds.get(taskId)?.setTail(lastSeqs.get(taskId) ?? 0);
      } catch (error) {
        for (const taskId of taskIds) this.#failFeed(taskId, error);
      }
    }
    this.#isLookingUp = false;
  }

  /** The next viewer of the task gets a new feed. */
  #failFeed(taskId: string, error: unknown): void {
    const feed = this.#feeds.get(taskId);
    this.#feeds.delete(taskId);
    feed?.fail(error);
  }
}
