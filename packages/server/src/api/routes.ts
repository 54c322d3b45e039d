import { api, type Attachments, type TaskState, WharfError } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { Principal } from "../access/index.ts";
import type { AgentTypes } from "../agent-types/index.ts";
import type { Log } from "../events/index.ts";
import type { Choice, RunCommands, RunQueries, Scheduler, TaskDiffs } from "../runs/index.ts";
import type { WarmPool } from "../runners/index.ts";
import type { Boards, TaskRow, Tasks } from "../tasks/index.ts";
import { callerOf } from "./pass-through.ts";
import { register } from "./register.ts";
import type { RunnerModules } from "./runner-routes.ts";

/** A prompt with all the files it may have, as base64. */
const promptBytes = 16 << 20;

export interface Modules extends RunnerModules {
  readonly boards: Boards;
  readonly tasks: Tasks;
  readonly commands: RunCommands;
  readonly queries: RunQueries;
  readonly agentTypes: AgentTypes;
  readonly scheduler: Scheduler;
  readonly diffs: TaskDiffs;
  readonly log: Log;
  readonly pool: Pick<WarmPool, "levels">;
  /** What is known of the server's health; asking waits for nothing. */
  readonly health: () => { status: "ok" | "degraded"; problems: string[] };
  readonly server: {
    version: string;
    data_folder: string;
    default_board_id: string;
    backend: string;
    isolation: string;
    isolation_reason?: string;
    limits?: string;
  };
  readonly shutdown: (options: { runners: boolean }) => void;
}

/** Parse, call, present: what a route does is the module's business. */
export function serveRoutes(app: FastifyInstance, modules: Modules): void {
  serveBoards(app, modules);
  serveTasks(app, modules);
  serveRuns(app, modules);
  serveAgentTypes(app, modules);
  serveOrchestrator(app, modules);
  serveSystem(app, modules);
}

function serveBoards(app: FastifyInstance, { boards, commands }: Modules): void {
  register(app, api.createBoard, ({ principal, body }) => boards.create(principal, body));
  register(app, api.listBoards, async ({ principal }) => ({ boards: await boards.list(principal.user_id) }));
  register(app, api.getBoard, ({ principal, params }) => boards.get(principal.user_id, params.board_id));
  register(app, api.updateBoard, ({ principal, params, body }) =>
    boards.update(principal.user_id, params.board_id, body),
  );
  register(app, api.deleteBoard, async ({ principal, params }) => {
    const { id } = await boards.get(principal.user_id, params.board_id);
    const from = "where tasks go that name no board";
    if (id === principal.default_board_id) throw new WharfError("conflict", { what: "board", from, to: "deleted" });
    await commands.deleteBoard(id);
  });
}

function serveTasks(app: FastifyInstance, modules: Modules): void {
  const { agentTypes, boards, tasks, commands, queries, diffs, log, peers } = modules;
  register(app, api.createTask, async ({ principal, params, body }) => {
    const board = await boards.get(principal.user_id, params.board_id);
    if (body.agent_type !== undefined) await agentTypes.requirePolicy(body.agent_type, body.permission_policy ?? "ask");
    return tasks.create(principal.user_id, board.id, body);
  });
  register(app, api.listBoardTasks, async ({ principal, params, query }) => {
    const board = await boards.get(principal.user_id, params.board_id);
    return tasks.list(principal.user_id, { ...query, board_id: board.id });
  });
  register(app, api.listTasks, ({ principal, query }) => tasks.list(principal.user_id, query));
  register(app, api.getTask, ({ principal, params }) => tasks.find(principal.user_id, params.task_id));
  register(app, api.updateTask, async ({ principal, params, body }) =>
    tasks.update((await tasks.find(principal.user_id, params.task_id)).id, body, { by: principal.user_id }),
  );
  register(app, api.deleteTask, async ({ principal, params }) =>
    commands.delete((await tasks.find(principal.user_id, params.task_id)).id),
  );
  register(app, api.setTaskState, async ({ principal, params, body }) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    return setState(modules, { task, principal, to: body.state, reason: body.reason });
  });
  register(app, api.cancelTask, async ({ principal, params }) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    return setState(modules, { task, principal, to: "CANCELLED", reason: undefined });
  });
  register(
    app,
    api.promptTask,
    async ({ principal, params, body }) => {
      const task = await tasks.find(principal.user_id, params.task_id);
      return prompt(modules, { task, principal, ...body });
    },
    { bodyLimit: promptBytes },
  );
  register(app, api.pushTask, async ({ principal, params }) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    await commands.pushAgain(task.id, { by: principal.user_id });
    return task;
  });
  register(app, api.cancelTurn, async ({ principal, params }) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    return commands.cancelTurn(task.id, params.turn_id, { by: principal.user_id });
  });
  const choose = async (principal: Principal, taskId: string, choice: Choice) => {
    const { id } = await tasks.find(principal.user_id, taskId);
    await commands.choose(id, choice, { by: principal.user_id });
    return tasks.find(principal.user_id, id);
  };
  register(app, api.setTaskMode, ({ principal, params, body }) =>
    choose(principal, params.task_id, { agent_mode: body.mode_id ?? null }),
  );
  register(app, api.setTaskModel, ({ principal, params, body }) =>
    choose(principal, params.task_id, { agent_model: body.model_id ?? null }),
  );
  register(app, api.answerPermission, async ({ principal, params, body }) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    await commands.answerPermission(task.id, {
      permission_id: params.permission_id,
      option_id: body.option_id,
      by: principal.user_id,
    });
    return { ok: true as const };
  });
  register(app, api.listTaskEvents, async ({ principal, params, query }) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    return { events: await log.read(task.id, query.after, query.limit), last_seq: task.last_seq };
  });
  register(app, api.listTaskTurns, async ({ principal, params, query }) =>
    queries.listTurns((await tasks.find(principal.user_id, params.task_id)).id, query),
  );
  register(app, api.getTaskDiff, async ({ principal, params }, reply) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    const runnerId = (await queries.findLatest(task.id))?.runner_id;
    if (runnerId) await peers?.requireHere(runnerId);
    return diffs.of(task, callerOf(reply));
  });
}

/** Where a person may move a task by hand: states that only an agent's work brings about are not among them. */
async function setState(
  modules: Modules,
  move: { task: TaskRow; principal: Principal; to: TaskState; reason: string | undefined },
): Promise<TaskRow> {
  const { tasks, commands } = modules;
  const { task, principal, to, reason } = move;
  if (to === "IN_PROGRESS") {
    await prompt(modules, { task, principal });
    return tasks.find(principal.user_id, task.id);
  }
  if (to === "TODO") return tasks.move(task.id, to, { by: principal.user_id, reason });
  if (to !== "COMPLETED" && to !== "CANCELLED")
    throw new WharfError("conflict", { what: "task", from: task.state, to });
  await commands.stop(task.id, to, { by: principal.user_id, reason });
  return tasks.find(principal.user_id, task.id);
}

interface PromptCall {
  readonly task: TaskRow;
  readonly principal: Principal;
  readonly text?: string;
  readonly turn_id?: string | undefined;
  readonly agent_type?: string | undefined;
  readonly priority?: number | undefined;
  readonly attachments?: Attachments | undefined;
}

/** Without words of its own a prompt is the task itself. */
async function prompt({ commands, agentTypes }: Modules, call: PromptCall) {
  const { task, principal, turn_id, priority, attachments, text = task.description } = call;
  const type = await agentTypes.choose(call.agent_type ?? task.agent_type ?? undefined);
  await agentTypes.requirePolicy(type.name, task.permission_policy);
  return commands.prompt(task.id, {
    text,
    by: principal.user_id,
    turn_id,
    agent_type: type.name,
    priority,
    attachments,
  });
}

function serveRuns(app: FastifyInstance, { tasks, queries, commands }: Modules): void {
  register(app, api.listAgents, ({ principal, query }) => queries.list(principal.user_id, query));
  register(app, api.listTaskAgents, async ({ principal, params, query }) =>
    queries.listForTask((await tasks.find(principal.user_id, params.task_id)).id, query),
  );
  register(app, api.getAgent, ({ principal, params }) => queries.find(principal.user_id, params.agent_id));
  register(app, api.stopAgent, async ({ principal, params }) => {
    const run = await queries.find(principal.user_id, params.agent_id);
    await commands.stop(run.task_id, "REVIEW", { by: principal.user_id });
    return queries.find(principal.user_id, run.id);
  });
}

function serveAgentTypes(app: FastifyInstance, { agentTypes }: Modules): void {
  register(app, api.listAgentTypes, async () => ({ agent_types: await agentTypes.list() }));
  register(app, api.getAgentType, ({ params }) => agentTypes.get(params.type_id));
  register(app, api.createAgentType, ({ body }) => agentTypes.create(body));
  register(app, api.updateAgentType, ({ params, body }) => agentTypes.update(params.type_id, body));
  register(app, api.deleteAgentType, ({ params }) => agentTypes.remove(params.type_id));
}

function serveOrchestrator(app: FastifyInstance, modules: Modules): void {
  const { tasks, queries, commands, scheduler } = modules;
  register(app, api.startTask, async ({ principal, params, body }) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    const turn = await prompt(modules, { task, principal, ...body });
    return { agent_instance_id: turn.run_id, turn_id: turn.id };
  });
  register(app, api.stopTask, async ({ principal, params, body }) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    await commands.stop(task.id, "REVIEW", { by: principal.user_id, reason: body.reason });
    return tasks.find(principal.user_id, task.id);
  });
  for (const [route, action] of [
    [api.pauseTask, "pause"],
    [api.resumeTask, "resume"],
  ] as const)
    register(app, route, async ({ principal, params }) => {
      const task = await tasks.find(principal.user_id, params.task_id);
      await commands[action](task.id, { by: principal.user_id });
      return tasks.find(principal.user_id, task.id);
    });
  register(app, api.taskStatus, async ({ principal, params }) => {
    const task = await tasks.find(principal.user_id, params.task_id);
    const run = await queries.findLatest(task.id);
    return {
      task_id: task.id,
      state: task.state,
      agent_instance_id: run?.id ?? null,
      agent_type: run?.agent_type ?? null,
      started_at: run?.started_at ?? null,
      current_operation: run?.phase ?? run?.status.toLowerCase() ?? null,
    };
  });
  register(app, api.orchestratorStatus, async ({ principal }) => ({
    status: "running" as const,
    active_agents: scheduler.active,
    queued_tasks: (await queries.queue(principal.user_id, { limit: 1 })).total,
    uptime_seconds: Math.round((Date.now() - scheduler.started.getTime()) / 1000),
    last_heartbeat: scheduler.heartbeat,
  }));
  register(app, api.orchestratorQueue, ({ principal, query }) => queries.queue(principal.user_id, query));
}

function serveSystem(app: FastifyInstance, { health, server, pool, shutdown }: Modules): void {
  register(app, api.health, async () => {
    const { status, problems } = health();
    return { status, version: server.version, ...(problems.length > 0 && { problems }) };
  });
  register(app, api.serverInfo, async () => {
    const levels = pool.levels();
    return { ...server, pid: process.pid, ...(levels.length > 0 && { pool: levels }) };
  });
  register(app, api.shutdown, async ({ body }) => {
    shutdown(body);
    return { ok: true as const };
  });
}
