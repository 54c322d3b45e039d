import type { Event } from "@wharf/client";
import type { Entry } from "./entry.ts";

/** A part of a task's log, as the page draws it: live, or as it was at a moment. */
export interface LogView {
  readonly events: readonly Event[];
  /** The lines of the timeline. The list may grow in place: compare the version. */
  readonly entries: readonly Entry[];
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly getVersion: () => number;
  readonly subscribe: (listener: () => void) => () => void;
}
