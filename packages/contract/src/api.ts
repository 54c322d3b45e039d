import { z } from "zod";
import { createEndpoint } from "./endpoint.ts";
import { offsetQuery, pageEnd, pageQuery, pageTotal } from "./paging.ts";
import { AgentType, AgentTypeInput, AgentTypeUpdate, Run, Task } from "./resources.ts";
import { ShortId } from "./short-id.ts";
import { RunStatus, TaskState } from "./states.ts";
import { boardRoutes, taskRoutes } from "./task-api.ts";

/**
 * The server's REST routes. Task and run ids may be shortened to an unambiguous prefix of eight or
 * more characters.
 */

const page = { ...pageQuery, ...offsetQuery };
const taskId = z.object({ task_id: ShortId });
const agentId = z.object({ agent_id: ShortId });
const typeId = z.object({ type_id: z.string().min(1).max(100) });

const agents = {
  listAgents: createEndpoint({
    method: "GET",
    path: "/api/v1/agents",
    summary: "Runs, newest first",
    query: z.object({ status: RunStatus.optional(), ...page }),
    response: z.object({ agents: z.array(Run), ...pageTotal, ...pageEnd }),
  }),
  listTaskAgents: createEndpoint({
    method: "GET",
    path: "/api/v1/tasks/:task_id/agents",
    summary: "Runs of a task, newest first",
    params: taskId,
    query: z.object(pageQuery),
    response: z.object({ agents: z.array(Run), ...pageEnd }),
  }),
  getAgent: createEndpoint({
    method: "GET",
    path: "/api/v1/agents/:agent_id",
    summary: "One run",
    params: agentId,
    response: Run,
  }),
  stopAgent: createEndpoint({
    method: "POST",
    path: "/api/v1/agents/:agent_id/stop",
    summary: "Stop a run; its runner's disk is kept",
    params: agentId,
    response: Run,
  }),
  listAgentTypes: createEndpoint({
    method: "GET",
    path: "/api/v1/agent-types",
    summary: "Agents that can be chosen",
    response: z.object({ agent_types: z.array(AgentType) }),
  }),
  getAgentType: createEndpoint({
    method: "GET",
    path: "/api/v1/agent-types/:type_id",
    summary: "One agent type, by id or name",
    params: typeId,
    response: AgentType,
  }),
  createAgentType: createEndpoint({
    method: "POST",
    path: "/api/v1/agent-types",
    summary: "Add an agent type",
    body: AgentTypeInput,
    status: 201,
    response: AgentType,
  }),
  updateAgentType: createEndpoint({
    method: "PUT",
    path: "/api/v1/agent-types/:type_id",
    summary: "Change an agent type",
    params: typeId,
    body: AgentTypeUpdate,
    response: AgentType,
  }),
  deleteAgentType: createEndpoint({
    method: "DELETE",
    path: "/api/v1/agent-types/:type_id",
    summary: "Remove an agent type that was added; those that come with Wharf can only be switched off",
    params: typeId,
    status: 204,
    response: "none",
  }),
};

const orchestrator = {
  startTask: createEndpoint({
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
  stopTask: createEndpoint({
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/stop",
    summary: "Stop the task's run; its runner's disk is kept",
    params: taskId,
    body: z
      .object({ reason: z.string().max(2000).optional(), force: z.boolean().default(false) })
      .default({ force: false }),
    response: Task,
  }),
  pauseTask: createEndpoint({
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/pause",
    summary:
      "Have the agent stand still in the midst of its turn: its model requests end, then its processes are frozen. The task's log says when they are",
    params: taskId,
    response: Task,
  }),
  resumeTask: createEndpoint({
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/resume",
    summary: "Have a paused agent go on",
    params: taskId,
    response: Task,
  }),
  taskStatus: createEndpoint({
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
  orchestratorStatus: createEndpoint({
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
  orchestratorQueue: createEndpoint({
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
  health: createEndpoint({
    method: "GET",
    path: "/health",
    summary: "Whether the server lives, and what it cannot do at the moment; needs no token",
    isOpen: true,
    response: z.object({
      status: z.enum(["ok", "degraded"]),
      version: z.string(),
      /** Each problem is a sentence that describes a part that does not work. */
      problems: z.array(z.string()).optional(),
    }),
  }),
  serverInfo: createEndpoint({
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
      /** A sentence that names the limits this machine puts on its local runners. */
      limits: z.string().optional(),
      /** The pool of warm runners and how many are ready. Absent if no pool is configured. */
      pool: z
        .array(z.object({ tier: z.string(), image: z.string().optional(), size: z.number(), ready: z.number() }))
        .optional(),
    }),
  }),
  shutdown: createEndpoint({
    method: "POST",
    path: "/api/v1/server/shutdown",
    summary: "Stop the server; with runners=true end the runners too",
    body: z.object({ runners: z.boolean().default(false) }).default({ runners: false }),
    status: 202,
    response: z.object({ ok: z.literal(true) }),
  }),
};

export const api = { ...boardRoutes, ...taskRoutes, ...agents, ...orchestrator, ...system } as const;

/** WebSocket: sends one task's log from a cursor (`?after=`), then live events. */
export const taskStreamPath = "/api/v1/orchestrator/tasks/:task_id/stream";
/** The message that a client may send on a task's stream. */
export const StreamControl = z.object({ type: z.literal("control"), action: z.enum(["pause", "resume"]) });
/** WebSocket: streams many tasks at once. The client sends `Subscribe`. */
export const globalStreamPath = "/api/v1/orchestrator/stream";
/** `after` holds the last sequence seen per task; a task without an entry starts at its end. */
export const Subscribe = z.object({
  action: z.literal("subscribe"),
  task_ids: z.array(ShortId).max(1000),
  after: z.record(z.string(), z.number().int().min(0)).default({}),
});
