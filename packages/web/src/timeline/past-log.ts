import type { Event } from "@wharf/client";
import { EntryList } from "./entry-list.ts";
import type { LogView } from "./log-view.ts";

/** Returns the timeline as it was when an event had come and no later one. It does not change. */
export function createPastLog({ events, firstSeq }: LogView, seq: number): LogView {
  const list = new EntryList();
  // The sequences have no gaps.
  const past: readonly Event[] = events.slice(0, Math.max(0, seq - firstSeq + 1));
  for (const event of past) list.append(event);
  return {
    events: past,
    entries: list.entries,
    firstSeq,
    lastSeq: Math.max(firstSeq - 1, past.at(-1)?.seq ?? 0),
    getVersion: () => 0,
    subscribe: () => () => undefined,
  };
}
