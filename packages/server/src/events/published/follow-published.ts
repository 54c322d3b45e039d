import { setImmediate } from "node:timers/promises";
import type { Permits } from "../permits.ts";
import type { PublishedEvents } from "./published-events.ts";
import type { PublishedEvent, PublishedFilter } from "./read-published.ts";

export type { PublishedFilter };

export interface FollowPublishedOptions {
  /** The caller already has the events up to this position. */
  readonly after: number;
  readonly filter: PublishedFilter;
  readonly signal: AbortSignal;
  /** Limits how many pages a caller with several readers holds at once. */
  readonly pages?: Permits;
}

/**
 * Yields the published events of a board or an organisation from a position on, then live, until
 * the signal aborts: every event once, in order. Readers at the end share each read, and those that
 * lag read only what they want.
 */
export async function* followPublished(
  published: PublishedEvents,
  { after: startPosition, filter, signal, pages }: FollowPublishedOptions,
): AsyncGenerator<readonly PublishedEvent[]> {
  using subscription = published.join(signal);
  let cursor = startPosition;
  try {
    while (!signal.aborted) {
      const entries = await subscription.next(cursor);
      if (entries === undefined) {
        using _permit = await pages?.acquire();
        if (signal.aborted) return;
        const { events, position } = await published.readPage(cursor, { filter, signal });
        if (events.length > 0) yield events;
        cursor = position;
        // Readers of many events yield to other work between two pages.
        await setImmediate();
      } else if (entries.length > 0) {
        const events = entries.filter((event) => isWanted(event, filter));
        if (events.length > 0) yield events;
        cursor = entries.at(-1)?.seq ?? cursor;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

const isWanted = (event: PublishedEvent, { organization_id, board_id }: PublishedFilter): boolean =>
  event.organization_id === organization_id && (board_id === undefined || event.board_id === board_id);
