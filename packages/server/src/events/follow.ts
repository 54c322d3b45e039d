import { setImmediate } from "node:timers/promises";
import { type Event, WharfError } from "@wharf/contract";
import type { Log } from "./log.ts";
import type { Permits } from "./permits.ts";

export interface FollowOptions {
  /** The caller already has the events up to this sequence. */
  readonly after: number;
  readonly signal: AbortSignal;
  /**
   * Limits how many pages a follower of many tasks holds at once. A permit is held until the page
   * is processed.
   */
  readonly pages?: Permits;
}

/**
 * Yields a task's log from a cursor on, then live, until the signal aborts: every event once, in
 * order. Viewers at the end of the log share each read; a viewer that lags reads pages until it
 * catches up. A short database outage only delays the events.
 */
export async function* followTaskLog(
  log: Log,
  taskId: string,
  { after: startSeq, signal, pages }: FollowOptions,
): AsyncGenerator<readonly Event[]> {
  using subscription = log.followers.join(taskId, signal);
  let cursor = startSeq;
  try {
    while (!signal.aborted) {
      const events = await subscription.next(cursor);
      if (events === undefined) {
        using _permit = await pages?.acquire();
        if (signal.aborted) return;
        const page = await log.followers.readPage(taskId, cursor, signal);
        // The feed knows of later events, and a log only grows, so the task was deleted.
        if (page.length === 0) throw new WharfError("task_not_found", { id: taskId });
        yield page;
        cursor = page.at(-1)?.seq ?? cursor;
        // Readers of a large log yield to other work between two pages.
        await setImmediate();
      } else if (events.length > 0) {
        yield events;
        cursor = events.at(-1)?.seq ?? cursor;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
