import { followPublished, type Log, type Permits, type PublishedFilter } from "../../events/index.ts";
import type { Viewer } from "./viewer.ts";
import type { VisibleBoards } from "./visible-boards.ts";

export interface BoardEventsOptions {
  readonly log: Pick<Log, "published">;
  readonly after: number;
  readonly filter: PublishedFilter;
  readonly signal: AbortSignal;
  /** Absent if the viewer follows a single board, whose access is checked as a whole. */
  readonly visibleBoards?: VisibleBoards;
  readonly pages?: Permits;
}

/** Sends the events of a board, or of all visible boards, until the signal aborts. */
export async function sendBoardEvents(
  viewer: Viewer,
  { log, visibleBoards, ...options }: BoardEventsOptions,
): Promise<void> {
  for await (const events of followPublished(log.published, options)) {
    const visible = visibleBoards ? await visibleBoards.select(events) : events;
    if (options.signal.aborted) return;
    await viewer.send(visible.flatMap(({ envelope }) => envelope ?? []));
  }
}
