import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo } from "react";
import { queries } from "../api/index.ts";
import { useWide } from "../styles/use-wide.ts";
import { PaneBoundary } from "../task-data/pane-boundary.tsx";
import { taskQueries } from "../task-data/task-queries.ts";
import type { Pane, TaskSearch } from "../task-data/task-search.ts";
import { usePermissions } from "../task-data/use-permissions.ts";
import { createTaskPlace } from "../task-data/workspace-place.ts";
import { PastTimeline, Timeline, TimelineContext, type TimelineTask, useTaskLog } from "../timeline/index.ts";
import { Composer } from "./composer/composer.tsx";
import { PaneLinks, paneLabels } from "./pane-links.tsx";
import { PastNotice } from "./past-notice.tsx";
import { StartForm, useMissing } from "./start-form.tsx";
import { TaskHeader } from "./task-header.tsx";
import styles from "./task-page.module.css";
import { useMoment } from "./use-moment.ts";
import { useTaskUpdates } from "./use-task-updates.ts";

const ChangesPane = lazy(async () => ({ default: (await import("../changes/index.ts")).ChangesPane }));
const TerminalPane = lazy(async () => ({ default: (await import("../terminal/index.ts")).TerminalPane }));
const FilesPane = lazy(async () => ({ default: (await import("../files/index.ts")).FilesPane }));
const PreviewPane = lazy(async () => ({ default: (await import("../preview/index.ts")).PreviewPane }));
const UsagePane = lazy(async () => ({ default: (await import("./usage-pane.tsx")).UsagePane }));
const ActivityPane = lazy(async () => ({ default: (await import("./activity-pane.tsx")).ActivityPane }));

/** A task: its timeline with the composer, and beside it the views of its work. */
export function TaskPage({ taskId, search }: { taskId: string; search: TaskSearch }) {
  const { data: task } = useSuspenseQuery(queries.task(taskId));
  const { data: turns } = useQuery(taskQueries.turns(taskId));
  const taskLog = useTaskLog(taskId);
  useTaskUpdates(taskId, taskLog);
  const moment = useMoment(search.at);
  const { canPrompt, canChangeTask } = usePermissions();
  const isMissing = useMissing(task);
  const timelineTask = useMemo<TimelineTask>(
    () => ({ task, canPrompt, turns: new Map(turns?.map((turn) => [turn.id, turn])) }),
    [task, canPrompt, turns],
  );
  const place = useMemo(() => createTaskPlace(taskId), [taskId]);
  const isWide = useWide();
  const pane = search.pane ?? "timeline";
  const shown: Pane = isWide && pane === "timeline" ? "changes" : pane;

  return (
    <main className={styles.page} data-pane={pane}>
      <TaskHeader task={task} turns={turns ?? []} />
      <PaneLinks taskId={taskId} current={isWide ? shown : pane} />
      <section className={styles.timeline} aria-label="Conversation">
        <div className={styles.log}>
          {moment.seq !== undefined && <PastNotice onLive={moment.goLive} />}
          <TimelineContext value={timelineTask}>
            {moment.seq === undefined ? (
              <Timeline taskLog={taskLog} />
            ) : (
              <PastTimeline taskLog={taskLog} seq={moment.seq} />
            )}
          </TimelineContext>
        </div>
        {isMissing && canChangeTask ? <StartForm task={task} /> : <Composer task={task} turns={turns ?? []} />}
      </section>
      {shown !== "timeline" && (
        <section className={styles.beside} aria-label={paneLabels[shown].name}>
          <PaneBoundary key={shown}>
            <Suspense fallback={<output className={styles.loading}>Opening…</output>}>
              {shown === "changes" && <ChangesPane task={task} turns={turns ?? []} search={search} />}
              {shown === "terminal" && <TerminalPane place={place} terminalId={search.terminal} />}
              {shown === "files" && <FilesPane place={place} file={search.file} />}
              {shown === "preview" && <PreviewPane place={place} port={search.port} />}
              {shown === "usage" && <UsagePane task={task} turns={turns ?? []} />}
              {shown === "activity" && <ActivityPane task={task} taskLog={taskLog} moment={moment} />}
            </Suspense>
          </PaneBoundary>
        </section>
      )}
    </main>
  );
}
