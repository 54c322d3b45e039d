import { api } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import { requirePermission } from "../../access/index.ts";
import type { Queue, RunQueries } from "../../runs/index.ts";
import type { Tasks } from "../../tasks/index.ts";
import { registerRoute } from "../http/register-route.ts";
import { createPrompt, type PromptModules, promptTask } from "./prompt-task.ts";

interface OrchestratorModules extends PromptModules {
  readonly tasks: Tasks;
  readonly queries: RunQueries;
  readonly queue: Queue;
}

/** Serves the start and the end of the work on tasks, and its state. */
export function serveOrchestrator(app: FastifyInstance, modules: OrchestratorModules): void {
  const { tasks, queries, queue, commands } = modules;
  registerRoute(app, api.triggerTask, async ({ scope, body }) => {
    const { task_id, agent_type, force, ignore_dependencies } = body;
    if (force) requirePermission(scope, "queue:write");
    const task = await tasks.find(scope, task_id);
    const prompt = await createPrompt(modules, { task, scope, agent_type });
    const ignoresDependencies = force || ignore_dependencies;
    const turn = await commands.trigger(task.id, { ...prompt, ignoresDependencies }, { isFirst: force });
    return { agent_instance_id: turn.run_id, turn_id: turn.id };
  });
  registerRoute(app, api.startTask, async ({ scope, params, body }) => {
    const task = await tasks.find(scope, params.task_id);
    const turn = await promptTask(modules, { task, scope, ...body });
    return { agent_instance_id: turn.run_id, turn_id: turn.id };
  });
  registerRoute(app, api.stopTask, async ({ scope, params, body }) => {
    const task = await tasks.find(scope, params.task_id);
    const { reason, force: isForced } = body;
    await commands.stop(task.id, "REVIEW", { by: scope.user_id, reason, isForced });
    return tasks.find(scope, task.id);
  });
  for (const [route, action] of [
    [api.pauseTask, "pause"],
    [api.resumeTask, "resume"],
  ] as const)
    registerRoute(app, route, async ({ scope, params }) => {
      const task = await tasks.find(scope, params.task_id);
      await commands[action](task.id, { by: scope.user_id });
      return tasks.find(scope, task.id);
    });
  registerRoute(app, api.taskLogs, async ({ scope, params, query }) => {
    const task = await tasks.find(scope, params.task_id);
    return queries.listLogs({ taskId: task.id }, query);
  });
  registerRoute(app, api.agentLogs, async ({ scope, params, query }) => {
    const run = await queries.getRun(scope, params.agent_id);
    return queries.listLogs({ taskId: run.task_id, run }, query);
  });
  registerRoute(app, api.taskStatus, async ({ scope, params }) => {
    const task = await tasks.find(scope, params.task_id);
    const [{ run, ...progress }, wait] = await Promise.all([queries.getStatus(task), queue.find(task.id)]);
    return {
      task_id: task.id,
      state: task.state,
      agent_instance_id: run?.id ?? null,
      agent_type: run?.agent_type ?? null,
      session_id: run?.session_id ?? null,
      user_id: run?.user_id ?? null,
      active: run !== undefined && run.stopped_at === null,
      created_at: task.created_at,
      started_at: run?.started_at ?? null,
      ...progress,
      queue: wait,
    };
  });
}
