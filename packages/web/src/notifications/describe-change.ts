import type { Envelope, Task, TaskState } from "@wharf/client";

/** What an agent causes. A person who accepts or cancels a task knows of it. */
const texts: Readonly<Partial<Record<TaskState, string>>> = {
  BLOCKED: "needs you",
  REVIEW: "is ready for review",
  FAILED: "failed",
};

interface TaskChange {
  readonly taskId: string;
  /** What a person is told after the task's title. */
  readonly text: string;
}

/** Returns what to tell a person who does not see the page, if it is of interest. */
export function describeChange({ type, data: { task_id: taskId, data } }: Envelope): TaskChange | undefined {
  if (type !== "task.state_changed" || data?.kind !== "state") return undefined;
  const { [data.to as TaskState]: text } = texts;
  return text === undefined ? undefined : { taskId, text };
}

type TaskPeople = Pick<Task, "created_by" | "assignee_id">;

/** A task is a person's if they created it or it is assigned to them. */
export const isOwnTask = ({ created_by: creator, assignee_id: assignee }: TaskPeople, userId: string): boolean =>
  creator === userId || assignee === userId;
