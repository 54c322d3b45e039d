import type { Task, Turn } from "@wharf/client";
import { createContext, use } from "react";
import { useTickingTime } from "./use-ticking-time.ts";

/** What the lines of a timeline need beside their own data. */
export interface TimelineTask {
  readonly task: Task;
  /** The turns of the task by their id; their prompts are not in the log. */
  readonly turns: ReadonlyMap<string, Turn>;
  /** Whether the person may answer questions of the agent. */
  readonly canPrompt: boolean;
  /** The time at which the timeline is looked at, if that is not the present. */
  readonly nowMs?: number;
}

export const TimelineContext = createContext<TimelineTask | undefined>(undefined);

export function useTimelineTask(): TimelineTask {
  const value = use(TimelineContext);
  if (!value) throw new Error("a line of a timeline is outside of a timeline");
  return value;
}

/** The time at which the timeline is looked at. The present one changes after each interval. */
export function useTimelineTime(intervalMs: number): number {
  const presentMs = useTickingTime(intervalMs);
  return useTimelineTask().nowMs ?? presentMs;
}
