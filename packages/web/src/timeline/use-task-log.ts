import type { Event } from "@wharf/client";
import { useEffect, useState, useSyncExternalStore } from "react";
import { LiveStream } from "../api/index.ts";
import { TimelineLog } from "./timeline-log.ts";

/** Follows a task's log from its beginning, for as long as the component is shown. */
export function useTaskLog(taskId: string): { readonly log: TimelineLog; readonly version: number } {
  const [log] = useState(() => new TimelineLog());
  const version = useSyncExternalStore(log.subscribe, log.getVersion);
  useEffect(() => {
    const stream = new LiveStream({
      getPath: () => `/api/v1/orchestrator/tasks/${encodeURIComponent(taskId)}/stream?after=${log.lastSeq}`,
      onMessage: (message) => isEvent(message) && log.append(message),
    });
    return () => stream[Symbol.dispose]();
  }, [taskId, log]);
  return { log, version };
}

/** The server checks what it sends against the contract; other messages have no sequence. */
const isEvent = (message: unknown): message is Event =>
  typeof message === "object" && message !== null && "seq" in message && "data" in message;
