import { z } from "zod";
import { Attachments } from "./daemon/attachments.ts";
import { Diff } from "./daemon-api.ts";
import { endpoint } from "./endpoint.ts";
import { Event } from "./event.ts";
import { offsetQuery, pageEnd, pageQuery, pageTotal } from "./paging.ts";
import {
  AgentChoice,
  AgentType,
  AgentTypeInput,
  AgentTypeUpdate,
  Board,
  BoardInput,
  BoardUpdate,
  Run,
  Task,
  TaskInput,
  TaskSummary,
  TaskUpdate,
  Turn,
} from "./resources.ts";
import { ShortId } from "./short-id.ts";
import { RunStatus, TaskState } from "./states.ts";

/** The server's REST routes. Ids of tasks and runs may be shortened to eight or more letters that are enough to tell. */

const page = { ...pageQuery, ...offsetQuery };
const boardId = z.object({ board_id: z.uuid() });
const taskId = z.object({ task_id: ShortId });
const agentId = z.object({ agent_id: ShortId });
const typeId = z.object({ type_id: z.string().min(1).max(100) });

const boards = {
  createBoard: endpoint({
    method: "POST",
    path: "/api/v1/boards",
    summary: "Create a board",
    body: BoardInput,
    status: 201,
    response: Board,
  }),
  listBoards: endpoint({
    method: "GET",
    path: "/api/v1/boards",
    summary: "Your boards",
    response: z.object({ boards: z.array(Board) }),
  }),
  getBoard: endpoint({
    method: "GET",
    path: "/api/v1/boards/:board_id",
    summary: "One board",
    params: boardId,
    response: Board,
  }),
  updateBoard: endpoint({
    method: "PUT",
    path: "/api/v1/boards/:board_id",
    summary: "Change a board",
    params: boardId,
    body: BoardUpdate,
    response: Board,
  }),
  deleteBoard: endpoint({
    method: "DELETE",
    path: "/api/v1/boards/:board_id",
    summary: "Delete a board and its tasks",
    params: boardId,
    status: 204,
    response: "none",
  }),
};

const tasks = {
  createTask: endpoint({
    method: "POST",
    path: "/api/v1/boards/:board_id/tasks",
    summary: "Put a task on a board",
    params: boardId,
    body: TaskInput,
    status: 201,
    response: Task,
  }),
  listBoardTasks: endpoint({
    method: "GET",
    path: "/api/v1/boards/:board_id/tasks",
    summary: "Tasks of a board",
    params: boardId,
    query: z.object({ state: TaskState.optional(), ...page }),
    response: z.object({ tasks: z.array(TaskSummary), ...pageTotal, ...pageEnd }),
  }),
  listTasks: endpoint({
    method: "GET",
    path: "/api/v1/tasks",
    summary: "Tasks of all your boards, newest first",
    query: z.object({ state: TaskState.optional(), ...page }),
    response: z.object({ tasks: z.array(TaskSummary), ...pageTotal, ...pageEnd }),
  }),
  getTask: endpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id",
    summary: "One task",
    params: taskId,
    response: Task,
  }),
  updateTask: endpoint({
    method: "PUT",
    path: "/api/v1/tasks/:task_id",
    summary: "Change a task",
    params: taskId,
    body: TaskUpdate,
    response: Task,
  }),
  deleteTask: endpoint({
    method: "DELETE",
    path: "/api/v1/tasks/:task_id",
    summary: "Stop a task's run and delete it with its log",
    params: taskId,
    status: 204,
    response: "none",
  }),
  setTaskState: endpoint({
    method: "PATCH",
    path: "/api/v1/tasks/:task_id/state",
    summary: "Move a task: IN_PROGRESS starts it, COMPLETED accepts it, CANCELLED ends it",
    params: taskId,
    body: z.object({ state: TaskState, reason: z.string().max(2000).optional() }),
    response: Task,
  }),
  cancelTask: endpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/cancel",
    summary: "Cancel a task",
    params: taskId,
    response: Task,
  }),
  promptTask: endpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/prompt",
    summary:
      "Give the task's agent its next turn; starts a run where none is at work. During a turn it waits as QUEUED, behind those that wait already",
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
  pushTask: endpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/push",
    summary: "Try again to deliver the task's branch to its remote",
    params: taskId,
    response: Task,
  }),
  cancelTurn: endpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/turns/:turn_id/cancel",
    summary: "End one turn: take back one that waits, or have the agent end the one at work; the run stays",
    params: taskId.extend({ turn_id: z.uuid() }),
    status: 202,
    response: Turn,
  }),
  setTaskMode: endpoint({
    method: "PUT",
    path: "/api/v1/tasks/:task_id/mode",
    summary: "Have the task's agent work in one of its modes, from now on; without one, in its own choice",
    params: taskId,
    body: z.object({ mode_id: AgentChoice.optional() }),
    response: Task,
  }),
  setTaskModel: endpoint({
    method: "PUT",
    path: "/api/v1/tasks/:task_id/model",
    summary: "Have the task's agent work with one of its models, from now on; without one, with its own choice",
    params: taskId,
    body: z.object({ model_id: AgentChoice.optional() }),
    response: Task,
  }),
  answerPermission: endpoint({
    method: "POST",
    path: "/api/v1/tasks/:task_id/permissions/:permission_id",
    summary: "Answer what the agent asks; without an option it is refused",
    params: taskId.extend({ permission_id: z.string().max(200) }),
    body: z.object({ option_id: z.string().max(200).optional() }),
    status: 202,
    response: z.object({ ok: z.literal(true) }),
  }),
  listTaskEvents: endpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id/events",
    summary:
      "The task's log after a cursor. A page is full at 1 MiB, too: there is more as long as it ends before `last_seq`",
    params: taskId,
    query: z.object({ after: z.coerce.number().int().min(0).default(0), limit: page.limit }),
    response: z.object({ events: z.array(Event), last_seq: z.number() }),
  }),
  listTaskTurns: endpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id/turns",
    summary: "The task's turns, oldest first",
    params: taskId,
    query: z.object(pageQuery),
    response: z.object({ turns: z.array(Turn), ...pageEnd }),
  }),
  getTaskDiff: endpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id/diff",
    summary: "What the task's branch changed against its base",
    params: taskId,
    response: Diff,
  }),
};

const agents = {
  listAgents: endpoint({
    method: "GET",
    path: "/api/v1/agents",
    summary: "Runs, newest first",
    query: z.object({ status: RunStatus.optional(), ...page }),
    response: z.object({ agents: z.array(Run), ...pageTotal, ...pageEnd }),
  }),
  listTaskAgents: endpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id/agents",
    summary: "Runs of a task, newest first",
    params: taskId,
    query: z.object(pageQuery),
    response: z.object({ agents: z.array(Run), ...pageEnd }),
  }),
  getAgent: endpoint({
    method: "GET",
    path: "/api/v1/agents/:agent_id",
    summary: "One run",
    params: agentId,
    response: Run,
  }),
  stopAgent: endpoint({
    method: "POST",
    path: "/api/v1/agents/:agent_id/stop",
    summary: "Stop a run; its runner's disk is kept",
    params: agentId,
    response: Run,
  }),
  listAgentTypes: endpoint({
    method: "GET",
    path: "/api/v1/agent-types",
    summary: "Agents that can be chosen",
    response: z.object({ agent_types: z.array(AgentType) }),
  }),
  getAgentType: endpoint({
    method: "GET",
    path: "/api/v1/agent-types/:type_id",
    summary: "One agent type, by id or name",
    params: typeId,
    response: AgentType,
  }),
  createAgentType: endpoint({
    method: "POST",
    path: "/api/v1/agent-types",
    summary: "Add an agent type",
    body: AgentTypeInput,
    status: 201,
    response: AgentType,
  }),
  updateAgentType: endpoint({
    method: "PUT",
    path: "/api/v1/agent-types/:type_id",
    summary: "Change an agent type",
    params: typeId,
    body: AgentTypeUpdate,
    response: AgentType,
  }),
  deleteAgentType: endpoint({
    method: "DELETE",
    path: "/api/v1/agent-types/:type_id",
    summary: "Remove an agent type that was added; those that come with Wharf can only be switched off",
    params: typeId,
    status: 204,
    response: "none",
  }),
};

const orchestrator = {
  startTask: endpoint({
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/start",
    summary: "Start a run at a task",
    params: taskId,
    body: z
      .object({ agent_type: z.string().max(100).optional(), priority: z.number().int().min(0).max(10).optional() })
      .default({}),
    status: 202,
    response: z.object({ agent_instance_id: z.uuid(), turn_id: z.uuid() }),
  }),
  stopTask: endpoint({
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/stop",
    summary: "Stop the task's run; its runner's disk is kept",
    params: taskId,
    body: z
      .object({ reason: z.string().max(2000).optional(), force: z.boolean().default(false) })
      .default({ force: false }),
    response: Task,
  }),
  pauseTask: endpoint({
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/pause",
    summary:
      "Have the agent stand still in the midst of its turn: its model requests end, then its processes are frozen. The task's log says when they are",
    params: taskId,
    response: Task,
  }),
  resumeTask: endpoint({
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/resume",
    summary: "Have a paused agent go on",
    params: taskId,
    response: Task,
  }),
  taskStatus: endpoint({
    method: "GET",
    path: "/api/v1/orchestrator/tasks/:task_id/status",
    summary: "Where a task stands",
    params: taskId,
    response: z.object({
      task_id: z.uuid(),
      state: TaskState,
      agent_instance_id: z.uuid().optional(),
      agent_type: z.string().optional(),
      started_at: z.string().optional(),
      current_operation: z.string().optional(),
    }),
  }),
  orchestratorStatus: endpoint({
    method: "GET",
    path: "/api/v1/orchestrator/status",
    summary: "What the scheduler is doing",
    response: z.object({
      status: z.enum(["running", "stopping"]),
      active_agents: z.number(),
      queued_tasks: z.number(),
      uptime_seconds: z.number(),
      last_heartbeat: z.string(),
    }),
  }),
  orchestratorQueue: endpoint({
    method: "GET",
    path: "/api/v1/orchestrator/queue",
    summary: "Runs that wait for a slot, in the order they will get one",
    query: z.object(page),
    response: z.object({
      tasks: z.array(
        z.object({
          task_id: z.uuid(),
          priority: z.number(),
          queued_at: z.string(),
          estimated_start: z.string().optional(),
        }),
      ),
      ...pageTotal,
      ...pageEnd,
    }),
  }),
};

const system = {
  health: endpoint({
    method: "GET",
    path: "/health",
    summary: "Whether the server lives, and what it cannot do at the moment; needs no token",
    isOpen: true,
    response: z.object({
      status: z.enum(["ok", "degraded"]),
      version: z.string(),
      /** What does not work, in sentences. */
      problems: z.array(z.string()).optional(),
    }),
  }),
  serverInfo: endpoint({
    method: "GET",
    path: "/api/v1/server",
    summary: "What this server is",
    response: z.object({
      version: z.string(),
      pid: z.number(),
      data_folder: z.string(),
      default_board_id: z.uuid(),
      backend: z.string(),
      isolation: z.string(),
      isolation_reason: z.string().optional(),
      /** What this machine limits of its local runners, in one sentence. */
      limits: z.string().optional(),
      /** Runners that are kept ready, and how many are; absent where none are wanted. */
      pool: z
        .array(z.object({ tier: z.string(), image: z.string().optional(), size: z.number(), ready: z.number() }))
        .optional(),
    }),
  }),
  shutdown: endpoint({
    method: "POST",
    path: "/api/v1/server/shutdown",
    summary: "Stop the server; with runners=true end the runners too",
    body: z.object({ runners: z.boolean().default(false) }).default({ runners: false }),
    status: 202,
    response: z.object({ ok: z.literal(true) }),
  }),
};

export const api = { ...boards, ...tasks, ...agents, ...orchestrator, ...system } as const;

/** WebSocket: one task's log from a cursor (`?after=`), then live. */
export const taskStreamPath = "/api/v1/orchestrator/tasks/:task_id/stream";
/** What a client may send on a task's stream. */
export const StreamControl = z.object({ type: z.literal("control"), action: z.enum(["pause", "resume"]) });
/** WebSocket: many tasks at once. The client sends `Subscribe`. */
export const globalStreamPath = "/api/v1/orchestrator/stream";
/** `after` holds the last sequence seen per task; a task without one starts at its end. */
export const Subscribe = z.object({
  action: z.literal("subscribe"),
  task_ids: z.array(ShortId).max(1000),
  after: z.record(z.string(), z.number().int().min(0)).default({}),
});
