import { api, formatResourceUsageCsv, formatUsageCsv, hostPresets, type TaskState, WharfError } from "@wharf/contract";
import type { FastifyInstance, FastifyReply } from "fastify";
import { requirePermission, type Scope } from "../../access/index.ts";
import type { AllowLists } from "../../allow-lists/index.ts";
import type { AuditLog, AuditReader } from "../../audit/index.ts";
import type { Log } from "../../events/index.ts";
import { type Mirrors, selectBranches } from "../../gateway/index.ts";
import type { AgentChoice, BudgetWaits, RunCommands, RunQueries, TaskDiffs } from "../../runs/index.ts";
import { type ExpectedVersions, nameRows } from "../../store/index.ts";
import type { TaskRow, Tasks } from "../../tasks/index.ts";
import type { Budgets, HostReports, ResourceReports, UsageReports } from "../../usage/index.ts";
import { getCallerSignal } from "../http/pass-through.ts";
import { type EndpointCall, registerRoute } from "../http/register-route.ts";
import { type AgentTypeModules, serveAgentTypes } from "./agent-type-routes.ts";
import { type CommentModules, serveComments } from "./comment-routes.ts";
import { createTask } from "./create-task.ts";
import { addWaits, type DependencyModules, serveDependencies } from "./dependency-routes.ts";
import type { LoginModules } from "./login-routes.ts";
import { serveOrchestrator } from "./orchestrator-routes.ts";
import { type PeopleModules, servePeople } from "./people-routes.ts";
import { promptTask } from "./prompt-task.ts";
import { type QueueModules, serveQueue } from "./queue-routes.ts";
import type { RunnerModules } from "./runner-routes.ts";
import { type SearchModules, serveSearch } from "./search-routes.ts";
import { serveSystem, type SystemModules } from "./system-routes.ts";
import { serveTaskArchive, type TaskArchiveModules } from "./task-archive-routes.ts";
import { serveTemplates, type TemplateModules } from "./template-routes.ts";

/** Maximum size of a prompt with all its files, as base64. */
const maxPromptBytes = 16 << 20;

export interface ApiModules
  extends
    AgentTypeModules,
    RunnerModules,
    PeopleModules,
    QueueModules,
    LoginModules,
    DependencyModules,
    TaskArchiveModules,
    CommentModules,
    SearchModules,
    TemplateModules,
    SystemModules {
  readonly audit: AuditLog;
  readonly auditReader: AuditReader;
  readonly tasks: Tasks;
  readonly commands: RunCommands;
  readonly queries: RunQueries;
  readonly allowLists: AllowLists;
  readonly mirrors: Pick<Mirrors, "checkAddress" | "listBranches">;
  readonly usage: UsageReports;
  readonly budgets: Budgets;
  readonly budgetWaits: Pick<BudgetWaits, "step">;
  readonly resources: ResourceReports;
  readonly hostTraffic: HostReports;
  readonly diffs: TaskDiffs;
  readonly log: Log;
}

/**
 * Routes only parse, call a module, and present the result: the modules implement the behaviour.
 */
export function serveRoutes(app: FastifyInstance, modules: ApiModules): void {
  servePeople(app, modules);
  serveBoards(app, modules);
  serveTasks(app, modules);
  serveTaskArchive(app, modules);
  serveComments(app, modules);
  serveTemplates(app, modules);
  serveSearch(app, modules);
  serveRepositories(app, modules);
  serveRuns(app, modules);
  serveAgentTypes(app, modules);
  serveAllowedHosts(app, modules);
  serveUsage(app, modules);
  serveBudgets(app, modules);
  serveDependencies(app, modules);
  serveOrchestrator(app, modules);
  serveQueue(app, modules);
  serveSystem(app, modules);
}

function serveRepositories(app: FastifyInstance, { mirrors }: ApiModules): void {
  registerRoute(app, api.listRepositoryBranches, async ({ scope, query }, reply) => {
    const caller = { organization_id: scope.organization_id, signal: getCallerSignal(reply) };
    return selectBranches(await mirrors.listBranches(query.url, caller), query);
  });
}

function serveBoards(app: FastifyInstance, { boards, commands, server }: ApiModules): void {
  registerRoute(app, api.createBoard, ({ scope, body }) => boards.create(scope, body));
  registerRoute(app, api.listBoards, async ({ scope, query }) => nameRows("boards", await boards.list(scope, query)));
  registerRoute(app, api.getBoard, ({ scope, params }) => boards.get(scope, params.board_id));
  registerRoute(app, api.updateBoard, ({ scope, params, body, expected }) =>
    boards.update(scope, params.board_id, body, expected),
  );
  registerRoute(app, api.deleteBoard, async ({ scope, params, expected }) => {
    const { id } = await boards.get(scope, params.board_id);
    if (id === server.default_board_id) throw new WharfError("board_is_default", { board_id: id });
    await commands.deleteBoard(id, expected);
  });
}

function serveTasks(app: FastifyInstance, modules: ApiModules): void {
  const { boards, tasks, commands, queries, diffs, log, mirrors, peers } = modules;
  registerRoute(app, api.createTask, ({ scope, params, body }) =>
    createTask(modules, scope, { board_id: params.board_id, input: body }),
  );
  registerRoute(app, api.listBoardTasks, async ({ scope, params, query }) => {
    const board = await boards.get(scope, params.board_id);
    return addWaits(modules, await tasks.list(scope, { ...query, board_id: board.id }));
  });
  registerRoute(app, api.listTasks, async ({ scope, query }) => addWaits(modules, await tasks.list(scope, query)));
  registerRoute(app, api.getTask, ({ scope, params }) => tasks.find(scope, params.task_id));
  registerRoute(app, api.updateTask, async ({ scope, params, body, expected }) => {
    const task = await tasks.find(scope, params.task_id);
    if (body.repository_url !== undefined) mirrors.checkAddress(body.repository_url);
    return tasks.update(task.id, body, { by: scope.user_id, expected });
  });
  registerRoute(app, api.deleteTask, async ({ scope, params, expected }) =>
    commands.delete((await tasks.find(scope, params.task_id)).id, expected),
  );
  registerRoute(app, api.setTaskState, async ({ scope, params, body, expected }) => {
    const task = await tasks.find(scope, params.task_id);
    return setState(modules, { task, scope, to: body.state, reason: body.reason, expected });
  });
  registerRoute(app, api.cancelTask, async ({ scope, params }) => {
    const task = await tasks.find(scope, params.task_id);
    return setState(modules, { task, scope, to: "CANCELLED" });
  });
  registerRoute(
    app,
    api.promptTask,
    async ({ scope, params, body }) => {
      const task = await tasks.find(scope, params.task_id);
      const { comments: sendsComments, ...prompt } = body;
      return promptTask(modules, { task, scope, ...prompt, sendsComments });
    },
    { bodyLimit: maxPromptBytes },
  );
  registerRoute(app, api.pushTask, async ({ scope, params, body }) => {
    const task = await tasks.find(scope, params.task_id);
    await commands.retryPush(task.id, { by: scope.user_id, allowedSecrets: body?.allow_secrets });
    return task;
  });
  registerRoute(app, api.cancelTurn, async ({ scope, params }) => {
    const task = await tasks.find(scope, params.task_id);
    return commands.cancelTurn(task.id, params.turn_id, { by: scope.user_id });
  });
  const setChoice = async (
    { scope, params, expected }: Pick<EndpointCall<typeof api.setTaskMode>, "scope" | "params" | "expected">,
    choice: AgentChoice,
  ) => {
    const { id } = await tasks.find(scope, params.task_id);
    await commands.setAgentChoice(id, choice, { by: scope.user_id, expected });
    return tasks.find(scope, id);
  };
  registerRoute(app, api.setTaskMode, (call) => setChoice(call, { agent_mode: call.body.mode_id ?? null }));
  registerRoute(app, api.setTaskModel, (call) => setChoice(call, { agent_model: call.body.model_id ?? null }));
  registerRoute(app, api.answerPermission, async ({ scope, params, body }) => {
    const task = await tasks.find(scope, params.task_id);
    await commands.answerPermission(task.id, {
      permission_id: params.permission_id,
      option_id: body.option_id,
      by: scope.user_id,
    });
    return { ok: true as const };
  });
  registerRoute(app, api.listTaskEvents, async ({ scope, params, query }) => {
    const task = await tasks.find(scope, params.task_id);
    return log.readMatching(task, query);
  });
  registerRoute(app, api.listTaskTurns, async ({ scope, params, query }) =>
    queries.listTurns((await tasks.find(scope, params.task_id)).id, query),
  );
  registerRoute(app, api.getTaskDiff, async ({ scope, params, query }, reply) => {
    const task = await tasks.find(scope, params.task_id);
    const runnerId = (await queries.getLatestRun(task.id))?.runner_id;
    if (runnerId) await peers?.requireLocalRunner(runnerId);
    return diffs.getDiff(task, query, getCallerSignal(reply));
  });
}

/**
 * Moves a task to a state that a person may set. States that only an agent's work causes are
 * excluded.
 */
async function setState(
  modules: ApiModules,
  move: {
    task: TaskRow;
    scope: Scope;
    to: TaskState;
    reason?: string | undefined;
    expected?: ExpectedVersions;
  },
): Promise<TaskRow> {
  const { tasks, commands } = modules;
  const { task, scope, to: targetState, reason, expected } = move;
  if (targetState === "IN_PROGRESS") {
    requirePermission(scope, "task:prompt");
    await promptTask(modules, { task, scope, expected });
    return tasks.find(scope, task.id);
  }
  if (targetState === "TODO") return tasks.move(task.id, targetState, { by: scope.user_id, reason, expected });
  if (targetState !== "COMPLETED" && targetState !== "CANCELLED")
    throw new WharfError("task_transition_invalid", { task_id: task.id, from: task.state, to: targetState });
  await commands.stop(task.id, targetState, { by: scope.user_id, reason, expected });
  return tasks.find(scope, task.id);
}

function serveRuns(app: FastifyInstance, { tasks, queries, commands }: ApiModules): void {
  registerRoute(app, api.listAgents, ({ scope, query }) => queries.list(scope, query));
  registerRoute(app, api.listTaskAgents, async ({ scope, params, query }) =>
    queries.listForTask((await tasks.find(scope, params.task_id)).id, query),
  );
  registerRoute(app, api.getAgent, ({ scope, params }) => queries.getRun(scope, params.agent_id));
  registerRoute(app, api.stopAgent, async ({ scope, params, body }) => {
    const run = await queries.getRun(scope, params.agent_id);
    const { reason, force: isForced } = body;
    await commands.stop(run.task_id, "REVIEW", { by: scope.user_id, reason, isForced, runId: run.id });
    return queries.getRun(scope, run.id);
  });
}

function serveAllowedHosts(app: FastifyInstance, { allowLists, tasks }: ApiModules): void {
  registerRoute(app, api.listAllowedHosts, async ({ scope, query: { task_id, ...page } }) => {
    const task = task_id === undefined ? undefined : await tasks.find(scope, task_id);
    const presets = Object.entries(hostPresets).map(([name, preset]) => ({
      name,
      ...preset,
      hosts: [...preset.hosts],
    }));
    return { ...nameRows("allowed_hosts", await allowLists.list(scope, { ...page, task_id: task?.id })), presets };
  });
  registerRoute(app, api.allowHost, async ({ scope, body }) => {
    if (body.task_id !== undefined) await tasks.find(scope, body.task_id);
    return allowLists.add(scope, body);
  });
  registerRoute(app, api.removeAllowedHost, ({ scope, params }) => allowLists.remove(scope, params.allowed_host_id));
  registerRoute(app, api.listDeniedHosts, async ({ scope, query }) =>
    nameRows("denied_hosts", await allowLists.listDenied(scope, query)),
  );
}

function serveUsage(app: FastifyInstance, { usage, resources, hostTraffic }: ApiModules): void {
  registerRoute(app, api.getUsage, ({ scope, query }) => usage.read(scope, query));
  registerRoute(app, api.getUsageCsv, async ({ scope, query }, reply) => {
    const report = await usage.read(scope, query);
    sendCsv(reply, "usage.csv", formatUsageCsv(report));
  });
  registerRoute(app, api.getResourceUsage, ({ scope, query }) => resources.read(scope, query));
  registerRoute(app, api.getResourceUsageCsv, async ({ scope, query }, reply) => {
    const report = await resources.read(scope, query);
    sendCsv(reply, "resources.csv", formatResourceUsageCsv(report));
  });
  registerRoute(app, api.getHostUsage, ({ scope, query }) => hostTraffic.read(scope, query));
}

function sendCsv(reply: FastifyReply, filename: string, text: string): void {
  void reply
    .type("text/csv; charset=utf-8")
    .header("content-disposition", `attachment; filename="${filename}"`)
    .send(text);
}

function serveBudgets(app: FastifyInstance, { boards, budgets, budgetWaits, tasks }: ApiModules): void {
  registerRoute(app, api.listBudgets, async ({ scope, query: { task_id, ...page } }) => {
    const task = task_id === undefined ? undefined : await tasks.find(scope, task_id);
    return nameRows("budgets", await budgets.list(scope, { ...page, task }));
  });
  registerRoute(app, api.setBudget, async ({ scope, body }) => {
    if (body.task_id !== undefined) await tasks.find(scope, body.task_id);
    if (body.board_id !== undefined) await boards.get(scope, body.board_id);
    const budget = await budgets.set(scope, body);
    await budgetWaits.step();
    return budget;
  });
  registerRoute(app, api.removeBudget, async ({ scope, params }) => {
    await budgets.remove(scope, params.budget_id);
    await budgetWaits.step();
  });
}
