import { useSuspenseQuery } from "@tanstack/react-query";
import type { Event } from "@wharf/client";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { LiveStream, wharf } from "../api/index.ts";
import type { LogView } from "./log-view.ts";
import { TimelineLog } from "./timeline-log.ts";

/** How many of the newest events a page starts with, and how many older ones it reads at once. */
const firstEvents = 500;
const olderEvents = 1_000;

export interface TaskLog {
  readonly log: LogView;
  /** Reads the events before those that are known. */
  readonly readOlder: () => void;
  /** Why the older events could not be read. */
  readonly olderError: unknown;
}

/** Follows the end of a task's log for as long as the component is shown. */
export function useTaskLog(taskId: string): TaskLog {
  const { data: end } = useSuspenseQuery({
    queryKey: ["end of the log", taskId],
    queryFn: async ({ signal }) => (await wharf.tasks.listTaskEvents(taskId, { limit: 1 }, { signal })).last_seq,
    staleTime: Infinity,
    gcTime: 10_000, // a later visit starts at the end again
  });
  const [log] = useState(() => new TimelineLog(Math.max(0, end - firstEvents)));
  useEffect(() => {
    const stream = new LiveStream({
      getPath: () => `/api/v1/orchestrator/tasks/${encodeURIComponent(taskId)}/stream?after=${log.lastSeq}`,
      onMessage: (message) => isEvent(message) && log.append(message),
    });
    return () => stream[Symbol.dispose]();
  }, [taskId, log]);

  const isReading = useRef(false);
  const [olderError, setOlderError] = useState<unknown>();
  const readOlder = useCallback(() => {
    if (isReading.current || log.firstSeq <= 1) return;
    isReading.current = true;
    setOlderError(undefined);
    readEvents(taskId, Math.max(0, log.firstSeq - 1 - olderEvents), log.firstSeq)
      .then((events) => log.prepend(events))
      .catch(setOlderError)
      .finally(() => (isReading.current = false));
  }, [taskId, log]);
  return useMemo(() => ({ log, readOlder, olderError }), [log, readOlder, olderError]);
}

/** Draws the component again when the log has changed. The rest of the page stays as it is. */
export const useLogVersion = (log: LogView): number => useSyncExternalStore(log.subscribe, log.getVersion);

/** Reads the events between two sequences. Pages are also limited in bytes. */
async function readEvents(taskId: string, afterSeq: number, beforeSeq: number): Promise<Event[]> {
  const events: Event[] = [];
  for (let cursor: number | undefined = afterSeq; cursor !== undefined && cursor < beforeSeq - 1;) {
    const page = await wharf.tasks.listTaskEvents(taskId, { after: cursor, limit: beforeSeq - 1 - cursor });
    events.push(...page.events);
    cursor = page.next_after;
  }
  return events;
}

/** The server checks what it sends against the contract; other messages have no sequence. */
const isEvent = (message: unknown): message is Event =>
  typeof message === "object" && message !== null && "seq" in message && "data" in message;
