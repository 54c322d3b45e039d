import type { PermissionEventData, TaskState, TaskSummary } from "@wharf/client";

/** A question of the agent that a person has to answer. */
export type Question = Pick<PermissionEventData, "permission_id" | "title" | "options" | "expires_at">;

/** What a task's work shows on its card. */
export interface LiveState {
  /** What the agent does, or the phase of its start. */
  readonly operation?: string | undefined;
  /** Between 0 and 1. */
  readonly progress?: number | undefined;
  /** Why the run waits for its start. */
  readonly wait?: string | undefined;
  readonly questions: readonly Question[];
  /** What failed, with the next step. */
  readonly failure?: string | undefined;
}

/** A task on the board. A card is replaced, never changed. */
export interface Card {
  readonly task: TaskSummary;
  readonly live: LiveState;
}

export const idle: LiveState = { questions: [] };

/** These tasks have more to show than their row. */
export const isActive = (state: TaskState): boolean => state === "IN_PROGRESS" || state === "BLOCKED";
