import type { TaskState, TaskSummary } from "@wharf/client";
import { taskTransitions } from "@wharf/contract/task-transitions";

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

/** The state to which an action moves a task, or undefined for one that moves none. */
const targets: Readonly<Record<TaskAction, TaskState | undefined>> = {
  start: "IN_PROGRESS",
  stop: "REVIEW",
  reopen: "TODO",
  accept: "COMPLETED",
  cancel: "CANCELLED",
  archive: undefined,
};
const allActions = Object.keys(targets) as TaskAction[];

const working: ReadonlySet<TaskState> = new Set(["IN_PROGRESS", "BLOCKED"]);
const startable: ReadonlySet<TaskState> = new Set(["TODO", "FAILED"]);

export const getActions = ({ state }: Pick<TaskSummary, "state">): readonly TaskAction[] =>
  allActions.filter((action) => {
    // An agent that has finished gets a prompt instead.
    if (action === "start") return startable.has(state);
    const target = targets[action];
    return target === undefined ? !working.has(state) : taskTransitions[state].includes(target);
  });

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
  return getActions({ state }).includes(action) ? action : undefined;
}
