import { useEffect, useMemo } from "react";
import { createPastLog } from "./past-log.ts";
import { TimelineContext, useTimelineTask } from "./timeline-context.ts";
import { Timeline } from "./timeline.tsx";
import { type TaskLog, useLogVersion } from "./use-task-log.ts";

/** The timeline as it was at the moment of an event. Nothing can be answered there. */
export function PastTimeline({ taskLog, seq }: { taskLog: TaskLog; seq: number }) {
  const { log, readOlder, olderError } = taskLog;
  const timelineTask = useTimelineTask();
  useLogVersion(log);
  const { firstSeq, lastSeq } = log;
  const isRead = seq >= firstSeq;
  // An address may name a moment before the events that the page starts with.
  useEffect(() => {
    if (!isRead && olderError === undefined) readOlder();
  }, [isRead, firstSeq, olderError, readOlder]);
  const endSeq = Math.min(seq, lastSeq);
  const past = useMemo(() => ({ ...taskLog, log: createPastLog(log, endSeq) }), [taskLog, log, endSeq, firstSeq]);
  const timestamp = past.log.events.at(-1)?.timestamp;
  const context = useMemo(
    () => ({ ...timelineTask, canPrompt: false, ...(timestamp !== undefined && { nowMs: Date.parse(timestamp) }) }),
    [timelineTask, timestamp],
  );
  return (
    <TimelineContext value={context}>
      <Timeline taskLog={past} endLabel="End" />
    </TimelineContext>
  );
}
