import { z } from "zod";
import { Attachments } from "./daemon/attachments.ts";
import { Diff } from "./daemon-api.ts";
import { createEndpoint } from "./endpoint.ts";
import { Event } from "./event.ts";
import { offsetQuery, pageEnd, pageQuery, pageTotal } from "./paging.ts";
import {
  AgentChoice,
  Board,
  BoardInput,
  BoardUpdate,
  Task,
  TaskInput,
  TaskSummary,
  TaskUpdate,
  Turn,
} from "./resources.ts";
import { ShortId } from "./short-id.ts";
import { TaskState } from "./states.ts";

const page = { ...pageQuery, ...offsetQuery };
const boardId = z.object({ board_id: z.uuid() });
const taskId = z.object({ task_id: ShortId });

/** The routes of boards. */
export const boardRoutes = {
  createBoard: createEndpoint({
    method: "POST",
    path: "/api/v1/boards",
    summary: "Create a board",
    body: BoardInput,
    status: 201,
    response: Board,
  }),
  listBoards: createEndpoint({
    method: "GET",
    path: "/api/v1/boards",
    summary: "Your boards",
    response: z.object({ boards: z.array(Board) }),
  }),
  getBoard: createEndpoint({
    method: "GET",
    path: "/api/v1/boards/:board_id",
    summary: "One board",
    params: boardId,
    response: Board,
  }),
  updateBoard: createEndpoint({
    method: "PUT",
    path: "/api/v1/boards/:board_id",
    summary: "Change a board",
    params: boardId,
    body: BoardUpdate,
    response: Board,
  }),
  deleteBoard: createEndpoint({
    method: "DELETE",
    path: "/api/v1/boards/:board_id",
    summary: "Delete a board and its tasks",
    params: boardId,
    status: 204,
    response: "none",
  }),
};

/** The routes of tasks: their definition, conversation, permission requests and changes. */
export const taskRoutes = {
  createTask: createEndpoint({
    method: "POST",
    path: "/api/v1/boards/:board_id/tasks",
    summary: "Put a task on a board",
    params: boardId,
    body: TaskInput,
    status: 201,
    response: Task,
  }),
  listBoardTasks: createEndpoint({
    method: "GET",
    path: "/api/v1/boards/:board_id/tasks",
    summary: "Tasks of a board",
    params: boardId,
    query: z.object({ state: TaskState.optional(), ...page }),
    response: z.object({ tasks: z.array(TaskSummary), ...pageTotal, ...pageEnd }),
  }),
  listTasks: createEndpoint({
    method: "GET",
    path: "/api/v1/tasks",
    summary: "Tasks of all your boards, newest first",
    query: z.object({ state: TaskState.optional(), ...page }),
    response: z.object({ tasks: z.array(TaskSummary), ...pageTotal, ...pageEnd }),
  }),
  getTask: createEndpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id",
    summary: "One task",
    params: taskId,
    response: Task,
  }),
  updateTask: createEndpoint({
    method: "PUT",
    path: "/api/v1/tasks/:task_id",
    summary: "Change a task",
    params: taskId,
    body: TaskUpdate,
    response: Task,
  }),
  deleteTask: createEndpoint({
    method: "DELETE",
    path: "/api/v1/tasks/:task_id",
    summary: "Stop a task's run and delete it with its log",
    params: taskId,
    status: 204,
    response: "none",
  }),
  setTaskState: createEndpoint({
    method: "PATCH",
    path: "/api/v1/tasks/:task_id/state",
    summary: "Move a task: IN_PROGRESS starts it, COMPLETED accepts it, CANCELLED ends it",
    params: taskId,
    body: z.object({ state: TaskState, reason: z.string().max(2000).optional() }),
    response: Task,
  }),
  cancelTask: createEndpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/cancel",
    summary: "Cancel a task",
    params: taskId,
    response: Task,
  }),
  promptTask: createEndpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/prompt",
    summary:
      "Give the task's agent its next turn, and start a run if there is none. During a turn the prompt waits as QUEUED, behind earlier ones",
    params: taskId,
    body: z.object({
      text: z.string().min(1).max(200_000),
      turn_id: z.uuid().optional().describe("an idempotency key: sent again, nothing happens again"),
      agent_type: z.string().max(100).optional(),
      attachments: Attachments.optional().describe("at most 20 files and 10 MB, as base64"),
    }),
    status: 202,
    response: Turn,
  }),
  pushTask: createEndpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/push",
    summary: "Try again to deliver the task's branch to its remote",
    params: taskId,
    response: Task,
  }),
  cancelTurn: createEndpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/turns/:turn_id/cancel",
    summary: "End one turn: withdraw a queued one, or have the agent end the current one. The run stays",
    params: taskId.extend({ turn_id: z.uuid() }),
    status: 202,
    response: Turn,
  }),
  setTaskMode: createEndpoint({
    method: "PUT",
    path: "/api/v1/tasks/:task_id/mode",
    summary: "Have the task's agent work in one of its modes, from now on; without one, in its own choice",
    params: taskId,
    body: z.object({ mode_id: AgentChoice.optional() }),
    response: Task,
  }),
  setTaskModel: createEndpoint({
    method: "PUT",
    path: "/api/v1/tasks/:task_id/model",
    summary: "Have the task's agent work with one of its models, from now on; without one, with its own choice",
    params: taskId,
    body: z.object({ model_id: AgentChoice.optional() }),
    response: Task,
  }),
  answerPermission: createEndpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/permissions/:permission_id",
    summary: "Answer what the agent asks; without an option it is refused",
    params: taskId.extend({ permission_id: z.string().max(200) }),
    body: z.object({ option_id: z.string().max(200).optional() }),
    status: 202,
    response: z.object({ ok: z.literal(true) }),
  }),
  listTaskEvents: createEndpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id/events",
    summary:
      "The task's log after a cursor. A page is full at 1 MiB, too: there is more as long as it ends before `last_seq`",
    params: taskId,
    query: z.object({ after: z.coerce.number().int().min(0).default(0), limit: page.limit }),
    response: z.object({ events: z.array(Event), last_seq: z.number() }),
  }),
  listTaskTurns: createEndpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id/turns",
    summary: "The task's turns, oldest first",
    params: taskId,
    query: z.object(pageQuery),
    response: z.object({ turns: z.array(Turn), ...pageEnd }),
  }),
  getTaskDiff: createEndpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id/diff",
    summary: "What the task's branch changed against its base",
    params: taskId,
    response: Diff,
  }),
};
