import type { TaskState, TaskSummary } from "@wharf/client";

/** What needs a person comes first. */
export const columns = [
  { id: "needs-you", name: "Needs you", states: ["BLOCKED", "FAILED"], hint: "Nothing waits for you." },
  { id: "review", name: "Review", states: ["REVIEW"], hint: "Finished work appears here." },
  { id: "running", name: "Running", states: ["IN_PROGRESS"], hint: "Drag a task here to start it." },
  { id: "todo", name: "To do", states: ["TODO"], hint: "No tasks wait for their start." },
  { id: "done", name: "Done", states: ["COMPLETED", "CANCELLED"], hint: "Accepted work appears here." },
] as const satisfies readonly ColumnDefinition[];

interface ColumnDefinition {
  readonly id: string;
  readonly name: string;
  readonly states: readonly TaskState[];
  /** What an empty column says. */
  readonly hint: string;
}

export type Column = (typeof columns)[number];
export type ColumnId = Column["id"];

const idsByState = new Map<TaskState, ColumnId>(
  columns.flatMap(({ id, states }) => states.map((state) => [state, id] as const)),
);

export const getColumnId = (state: TaskState): ColumnId => idsByState.get(state) ?? "todo";

export const stateNames: Readonly<Record<TaskState, string>> = {
  TODO: "to do",
  IN_PROGRESS: "running",
  BLOCKED: "waiting",
  REVIEW: "review",
  COMPLETED: "accepted",
  FAILED: "failed",
  CANCELLED: "cancelled",
};

/** What a person can do with a task, beside opening it. */
export type TaskAction = "start" | "stop" | "accept" | "cancel" | "reopen" | "archive";

const actions: Readonly<Record<TaskState, readonly TaskAction[]>> = {
  TODO: ["start", "accept", "cancel", "archive"],
  IN_PROGRESS: ["stop", "accept", "cancel"],
  BLOCKED: ["stop", "accept", "cancel"],
  REVIEW: ["accept", "cancel", "archive"],
  COMPLETED: ["reopen", "archive"],
  FAILED: ["start", "reopen", "cancel", "archive"],
  CANCELLED: ["reopen", "archive"],
};

export const getActions = ({ state }: Pick<TaskSummary, "state">): readonly TaskAction[] => actions[state];

export const actionNames: Readonly<Record<TaskAction, string>> = {
  start: "Start",
  stop: "Stop for review",
  accept: "Accept",
  cancel: "Cancel",
  reopen: "Reopen",
  archive: "Archive",
};

const dropActions: Readonly<Partial<Record<ColumnId, TaskAction>>> = {
  todo: "reopen",
  running: "start",
  review: "stop",
  done: "accept",
};

/** Returns what happens to a task that is dropped on a column, if that is possible. */
export function getDropAction(state: TaskState, columnId: ColumnId): TaskAction | undefined {
  const action = dropActions[columnId];
  if (action === undefined || getColumnId(state) === columnId) return undefined;
  return actions[state].includes(action) ? action : undefined;
}
