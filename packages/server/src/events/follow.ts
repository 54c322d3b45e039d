import { setImmediate } from "node:timers/promises";
import { type Event, WharfError } from "@wharf/contract";
import type { Log } from "./log.ts";
import type { Permits } from "./permits.ts";

export interface FollowOptions {
  /** Events up to this sequence are known already. */
  readonly after: number;
  readonly signal: AbortSignal;
  /** Bounds the pages that one who follows many tasks holds at once; a permit is held until the page was dealt with. */
  readonly pages?: Permits;
}

/**
 * A task's log from a cursor, then live, until the signal ends it: every event once, in order. Viewers at the end of the
 * log share what is read; one that is behind reads pages until it has caught up. A database that is away for a moment
 * only delays it.
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
        // The feed knows of later events, and a log only grows.
        if (page.length === 0) throw new WharfError("not_found", { what: "task", id: taskId });
        yield page;
        cursor = page.at(-1)?.seq ?? cursor;
        // Someone who reads a large log leaves room for everything else between two pages.
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
