import type { Task, TaskSummary } from "@wharf/client";
import { perform, wharf } from "../api/index.ts";
import type { TaskAction } from "./columns.ts";
import type { BoardStore, Card, Question } from "./store/index.ts";

const requests: Readonly<Record<TaskAction, (id: string) => Promise<Task>>> = {
  start: (id) => wharf.tasks.setTaskState(id, { state: "IN_PROGRESS" }),
  stop: (id) => wharf.tasks.stopTask(id),
  accept: (id) => wharf.tasks.setTaskState(id, { state: "COMPLETED" }),
  cancel: (id) => wharf.tasks.cancelTask(id),
  reopen: (id) => wharf.tasks.setTaskState(id, { state: "TODO" }),
  archive: (id) => wharf.tasks.archiveTask(id),
};

const results: Readonly<Record<TaskAction, string>> = {
  start: "started",
  stop: "stopped",
  accept: "accepted",
  cancel: "cancelled",
  reopen: "reopened",
  archive: "archived",
};

/** Does the same with some tasks, and offers to undo it where that is possible. */
export async function performAction(
  store: BoardStore,
  action: TaskAction,
  tasks: readonly TaskSummary[],
): Promise<void> {
  const [first] = tasks;
  if (!first) return;
  const request = requests[action];
  const runAll = (send: (task: TaskSummary) => Promise<Task>) =>
    Promise.all(tasks.map(async (task) => store.setTask(toSummary(await send(task)))));
  const undo = getUndo(action, tasks);
  const subject = tasks.length === 1 ? `“${first.title.slice(0, 60)}”` : `${tasks.length} tasks`;
  await perform(() => runAll(({ id }) => request(id)), {
    done: `${subject}: ${results[action]}`,
    ...(undo && { undo: () => runAll(undo) }),
  });
}

/** Only what leaves no trace in the work can be undone: a stopped agent has lost its turn. */
function getUndo(
  action: TaskAction,
  tasks: readonly TaskSummary[],
): ((task: TaskSummary) => Promise<Task>) | undefined {
  if (action === "archive") return ({ id }) => wharf.tasks.restoreTask(id);
  const areUnstarted = tasks.every(({ state }) => state === "TODO");
  if ((action === "accept" || action === "cancel") && areUnstarted) return ({ id }) => requests.reopen(id);
  const wereAccepted = tasks.every(({ state }) => state === "COMPLETED");
  return action === "reopen" && wereAccepted ? ({ id }) => requests.accept(id) : undefined;
}

interface Answer {
  readonly taskId: string;
  readonly question: Question;
  readonly optionId: string;
}

/** Answers a question of the agent. */
export async function answerQuestion(store: BoardStore, { taskId, question, optionId }: Answer): Promise<void> {
  const { permission_id } = question;
  await perform(async () => {
    await wharf.tasks.answerPermission(taskId, permission_id, { option_id: optionId });
    store.closeQuestion(taskId, permission_id);
  });
}

/** Allows once what the agent asks first, if it offers that. */
export function allowFirst(store: BoardStore, { task, live }: Card): void {
  const [question] = live.questions;
  const option = question?.options?.find(({ option_kind }) => option_kind === "allow_once");
  if (question && option) void answerQuestion(store, { taskId: task.id, question, optionId: option.option_id });
}

const toSummary = ({ description: _description, metadata: _metadata, ...task }: Task): TaskSummary => task;
