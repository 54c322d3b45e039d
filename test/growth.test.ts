import { mkdtempSync, chmodSync, existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { api, boardStreamPath, globalStreamPath, runnerApi, type Task } from "@wharf/contract";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../packages/cli/src/server/client.ts";
import { createLocator } from "../packages/cli/src/server/server-address.ts";
import { readConfig, type RunningServer, startServer } from "../packages/server/src/index.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../packages/server/src/store/embedded/index.ts";
import { kitFolder } from "../scripts/build.ts";
import { eventually } from "./support/eventually.ts";
import { explainAll, PlanWatch } from "./support/growth/plans.ts";
import { seedGrowth, type Seeded, sizes } from "./support/growth/seed.ts";
import { createRepository } from "./support/repository.ts";

/**
 * Runs a whole server on a database of the sizes that must not slow it down. The test calls its
 * routes and runs its loops and workers; PostgreSQL reports the plan of every statement, including
 * those of foreign keys. A full read of a large table fails the test. Any route or loop that runs
 * here is covered.
 */
let folder: string;
let database: EmbeddedPostgres;
let pool: pg.Pool;
let server: RunningServer;
let client: Client;
let seeded: Seeded;
let watch: PlanWatch;

const start = async (): Promise<RunningServer> => {
  const { host, user, database: name } = database.connection;
  const environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    WHARF_DATA: join(folder, "data"),
    WHARF_PORT: "0",
    WHARF_MAX_REQUESTS_PER_USER: "0",
    LOG_LEVEL: "silent",
    WHARF_BACKEND: "mock",
    WHARF_POOL: "small=1",
    WHARF_MAX_RUNS: "100",
    DATABASE_URL: `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}`,
  };
  return startServer({ config: readConfig(environment), kit: kitFolder, version: "0.0.0", environment });
};

beforeAll(async () => {
  folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "wharf-growth-"));
  if (process.getuid?.() === 0) chmodSync(folder, 0o711);
  database = await startEmbeddedPostgres({ folder: join(folder, "postgres") });
  pool = new pg.Pool({ ...database.connection, max: 1 }).on("error", () => undefined);
  await (await start()).stop();
  await pool.query("set synchronous_commit = off");
  seeded = await seedGrowth(pool, sizes, createRepository(join(folder, "remote")));
  await explainAll(pool, database.connection.database);
  watch = new PlanWatch();
  server = await start();
  client = new Client(createLocator({ dataFolder: join(folder, "data") }));
}, 600_000);

afterAll(async () => {
  await server?.stop();
  watch?.[Symbol.dispose]();
  await pool?.end();
  await database?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const events = async (task: Pick<Task, "id">, after: number) =>
  (await client.call(api.listTaskEvents, { params: { task_id: task.id }, query: { after, limit: 1000 } })).events;

/** Prompts a task, and waits until its log fulfils the condition. */
async function prompt(task: Pick<Task, "id">, text: string, isReached: (kinds: string[]) => boolean): Promise<void> {
  const params = { task_id: task.id };
  const { last_seq } = await client.call(api.listTaskEvents, { params, query: { limit: 1 } });
  await client.call(api.promptTask, { params, body: { text } });
  const kinds = async () =>
    (await events(task, last_seq)).map(({ data }) =>
      "status" in data ? `${data.kind} ${String(data.status)}` : data.kind,
    );
  await eventually(async () => isReached(await kinds()), true, 60_000);
}

const isEnded = (kinds: string[]) => kinds.includes("turn ended");
const getState = async (task: Pick<Task, "id">) =>
  (await client.call(api.getTask, { params: { task_id: task.id } })).state;

async function readLists(task: Pick<Task, "id">): Promise<void> {
  const params = { task_id: task.id };
  const { next_cursor: cursor } = await client.call(api.listTasks, { query: { limit: 1000 } });
  const board = { board_id: seeded.boardId };
  await client.call(api.listTasks, { query: { cursor, state: "FAILED" } });
  await client.call(api.listTasks, { query: { offset: 10_000, limit: 1000 } });
  await client.call(api.listTasks, { query: { state: "IN_PROGRESS" } });
  await client.call(api.listTasks, { query: { archived: "true" } });
  for (const text of ["99999", "Task 9"]) await client.call(api.listTasks, { query: { text } });
  for (const assignee of ["me", "none"]) await client.call(api.listTasks, { query: { assignee } });
  await client.call(api.listBoardTasks, { params: board, query: { cursor } });
  await client.call(api.listBoardTasks, { params: board, query: { state: "TODO" } });
  const runs = await client.call(api.listAgents, { query: {} });
  await client.call(api.listAgents, { query: { cursor: runs.next_cursor } });
  await client.call(api.listAgents, { query: { status: "STARTING" } });
  await client.call(api.getAgent, { params: { agent_id: runs.agents[0]!.id } });
  await client.call(api.getAgent, { params: { agent_id: runs.agents[0]!.id.slice(0, 8) } });
  await client.call(api.listTaskAgents, { params });
  await client.call(api.listTaskTurns, { params });
  await client.call(api.taskStatus, { params });
  await client.call(api.getTask, { params: { task_id: task.id.slice(0, 8) } });
  for (const after of [0, 500_000, 999_000]) await events(task, after);
  const queue = await client.call(api.orchestratorQueue, { query: {} });
  await client.call(api.orchestratorQueue, { query: { cursor: queue.next_cursor } });
  await client.call(api.orchestratorStatus, {});
  await client.call(api.listRunLimits, {});
  await client.call(api.listDependencies, { params });
  const since = new Date(Date.now() - 1000).toISOString();
  for (const level of [undefined, "info", "warn", "error"] as const)
    for (const query of [{ level }, { level, offset: 10_000, limit: 1000 }, { level, since }])
      await client.call(api.taskLogs, { params, query });
  await client.call(api.agentLogs, { params: { agent_id: runs.agents[0]!.id }, query: { level: "error" } });
  for (const text of ["Line", "line 777", '"line 999"', "ended or line", "neverwritten"])
    for (const query of [{ text }, { text, ...board }, { text, kind: "log" as const, state: "REVIEW" as const }]) {
      const { next_cursor } = await client.call(api.search, { query });
      await client.call(api.search, { query: { ...query, cursor: next_cursor } });
    }
  for (const route of [api.serverInfo, api.health]) await client.call(route, {});
  await client.call(api.getBoard, { params: board });
  for (const sort of ["-priority", "-priority,created_at", "priority,created_at", "updated_at", "-updated_at"] as const)
    for (const state of [undefined, "REVIEW" as const, ["TODO" as const, "FAILED" as const]]) {
      const { next_cursor } = await client.call(api.listTasks, { query: { sort, state } });
      await client.call(api.listTasks, { query: { sort, state, cursor: next_cursor } });
    }
  for (const query of [{}, { status: "DESTROYED" as const }, { status: "ERROR" as const }]) {
    const { runners, next_cursor } = await client.call(runnerApi.listRunners, { query });
    await client.call(runnerApi.listRunners, { query: { ...query, cursor: next_cursor } });
    for (const { id } of runners.slice(0, 1))
      await client.call(runnerApi.getRunner, { params: { runner_id: id.slice(0, 13) } });
  }
}

/** Reads two pages of each list, in each of its orders. */
async function readOtherLists(): Promise<void> {
  const routes = [
    api.listAccessTokens,
    api.listAgentTypes,
    api.listAllowedHosts,
    api.listBoards,
    api.listIdentities,
    api.listInvitations,
    api.listMembers,
    api.listPasskeys,
    api.listRunLimits,
    api.listTemplates,
    runnerApi.listOrphans,
  ];
  for (const route of routes) {
    const page = await client.call(route, { query: { limit: 1 } });
    await client.call(route, { query: { limit: 1000, offset: 1 } });
    await client.call(route, { query: { cursor: page.next_cursor } });
  }
  const params = { board_id: seeded.boardId };
  for (const sort of ["created_at", "-username"] as const) {
    await client.call(api.listBoardMembers, { params, query: { sort } });
    await client.call(api.listMembers, { query: { sort } });
  }
  for (const sort of ["-used_at", "used_at", "-created_at", "created_at"] as const)
    await client.call(api.listSessions, { query: { sort } });
  for (const sort of ["email", "created_at"] as const) await client.call(api.listInvitations, { query: { sort } });
}

/** Follows the events of boards from early and late cursors, until some have come. */
async function followBoards(): Promise<void> {
  const paths = [boardStreamPath.replace(":board_id", seeded.boardId), globalStreamPath];
  for (const path of paths)
    for (const after of [0, sizes.events / 2, sizes.events - 10]) {
      const { ticket } = await client.call(api.createStreamTicket, {});
      const answer = await fetch(`${server.url}${path}?after=${after}&ticket=${ticket}`);
      let text = "";
      for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (text.split("\nid: ").length > 4) break;
      }
      expect(text).toContain(`"board_id":"${seeded.boardId}"`);
    }
}

async function readUsage(task: Pick<Task, "id">): Promise<void> {
  const query = { task_id: task.id };
  await client.call(api.getUsage, { query });
  await client.call(api.getResourceUsage, { query });
  await client.call(api.getHostUsage, { query });
  await client.call(api.listAllowedHosts, { query });
  await client.call(api.listDeniedHosts, { query });
  await client.call(api.listBudgets, { query });
  await client.call(api.listDeniedHosts, { query: {} });
  // A report reads its period, so this one is short.
  const from = new Date(Date.now() - 900_000).toISOString();
  await client.call(api.getUsage, { query: { from } });
  await client.call(api.getResourceUsage, { query: { from } });
  const budget = await client.call(api.setBudget, { body: { task_id: task.id, period: "day", amount_usd: 1 } });
  await client.call(api.removeBudget, { params: { budget_id: budget.id } });
}

async function useRunner(): Promise<void> {
  const { id } = await client.call(runnerApi.createRunner, { query: { wait: "true" }, body: { name: "by hand" } });
  const params = { runner_id: id };
  await client.call(runnerApi.execRunnerOnce, { params, body: { command: "echo here" } });
  await client.call(runnerApi.stopRunner, { params });
  await client.call(runnerApi.startRunner, { params, query: { wait: "true" } });
  await client.call(runnerApi.deleteRunner, { params });
}

async function useTask(task: Pick<Task, "id">): Promise<void> {
  const params = { task_id: task.id };
  await client.call(api.updateTask, { params, body: { priority: 4 } });
  await client.call(api.assignTask, { params, body: { user: "me" } });
  const comment = await client.call(api.createComment, { params, body: { text: "a comment" } });
  const ofComment = { params: { ...params, comment_id: comment.id } };
  await client.call(api.updateComment, { ...ofComment, body: { text: "changed" } });
  await client.call(api.listComments, { params, query: { open: "true" } });
  await client.call(api.deleteComment, ofComment);
  await prompt(task, "demo: say hello\ndemo: write a.txt one\ndemo: flood 300", isEnded);
  await client.call(api.getTaskDiff, { params });
  await client.call(api.setTaskMode, { params, body: {} });
  await client.call(api.promptTask, { params, body: { text: "demo: sleep 30s" } });
  await eventually(async () => (await client.call(api.taskStatus, { params })).current_operation, "running");
  await client.call(api.orchestratorQueue, { query: {} });
  await client.call(api.pauseTask, { params });
  await client.call(api.resumeTask, { params });
  const { turns } = await client.call(api.listTaskTurns, { params });
  const turn_id = turns.findLast(({ state }) => state === "RUNNING" || state === "QUEUED")!.id;
  await client.call(api.cancelTurn, { params: { ...params, turn_id } });
  await eventually(() => getState(task), "REVIEW", 30_000);
  const asked = await client.call(api.promptTask, { params, body: { text: "demo: ask May I" } });
  await eventually(() => getState(task), "BLOCKED", 30_000);
  const question = (await events(task, sizes.events)).findLast(({ data }) => data.kind === "permission")!.data;
  if (question.kind !== "permission") throw new Error("nothing was asked");
  const option_id = question.options?.[0]?.option_id;
  const answer = { params: { ...params, permission_id: question.permission_id }, body: option_id ? { option_id } : {} };
  await client.call(api.answerPermission, answer);
  await eventually(() => getState(task), "REVIEW", 30_000);
  expect(asked.state).toBe("QUEUED");
  await client.call(api.stopTask, { params });
  await prompt(task, "demo: say again", isEnded);
  await prompt(task, "demo: fail on purpose", (kinds) => kinds.includes("failure"));
  await eventually(() => getState(task), "FAILED", 30_000);
  await client.call(api.cancelTask, { params });
}

async function removeTask(task: Pick<Task, "id">): Promise<void> {
  const params = { task_id: task.id };
  await client.call(api.deleteTask, { params });
  await expect(client.call(api.getTask, { params })).rejects.toMatchObject({ code: "task_not_found" });
  const isLeft = async () => (await pool.query("select 1 from tasks where id = $1", [task.id])).rowCount;
  await eventually(isLeft, 0, 60_000);
}

test("no statement of a route, a loop or a worker reads a large table completely", async () => {
  const { board_id } = { board_id: seeded.boardId };
  const long = { id: seeded.taskId };
  await readLists(long);
  await readOtherLists();
  await followBoards();
  await readUsage(long);
  await useRunner();
  await useTask(long);
  const repository_url = join(folder, "remote");
  const fresh = { title: "short", description: "demo: say hi", agent_type: "demo", repository_url };
  const short = await client.call(api.createTask, { params: { board_id }, body: fresh });
  await prompt(short, "demo: say one", isEnded);
  await client.call(api.setTaskState, { params: { task_id: short.id }, body: { state: "COMPLETED" } });
  await removeTask(short);
  const type = await client.call(api.createAgentType, { body: { name: "for-a-while", command: ["demo"] } });
  await client.call(api.updateAgentType, { params: { type_id: type.name }, body: { enabled: false } });
  await client.call(api.deleteAgentType, { params: { type_id: type.name } });
  const board = await client.call(api.createBoard, { body: { name: "for a while" } });
  await client.call(api.createTask, { params: { board_id: board.id }, body: fresh });
  await client.call(api.updateBoard, { params: { board_id: board.id }, body: { name: "still" } });
  await client.call(api.deleteBoard, { params: { board_id: board.id } });
  const isLeft = async () => (await pool.query("select 1 from boards where id = $1", [board.id])).rowCount;
  await eventually(isLeft, 0, 60_000);

  expect(watch.complaints).toEqual([]);
  // The statements must include a claim, a renewal, a due push, the reconciler, the pool, a foreign
  // key and the log.
  for (const words of [
    /skip locked/i,
    /runner_leases/,
    /pushes/,
    /desired/,
    /pool_key/,
    /DELETE FROM ONLY/,
    /bytes_before/,
    /read_bytes/,
    /ts_rank/,
    /search_queue/,
    /delete from model_requests/,
    /runner_disks/,
    /delete from "agent_types" where .*exists \(\s*select 1 from runs/i,
  ])
    expect(watch.has(words), String(words)).toBe(true);
  expect(watch.count).toBeGreaterThan(100);
}, 600_000);

test("a board of 20,000 tasks is deleted at once, and its rows are removed while other requests are answered", async () => {
  const board = await client.call(api.createBoard, { body: { name: "large" } });
  await pool.query(
    `insert into tasks (id, board_id, title, description, shadow_branch)
     select gen_random_uuid(), $1, 'Task ' || n, 'Do it.', 'shadow/gone-' || n from generate_series(1, 20000) n`,
    [board.id],
  );
  await client.call(api.deleteBoard, { params: { board_id: board.id } });
  await expect(client.call(api.getBoard, { params: { board_id: board.id } })).rejects.toMatchObject({
    code: "board_not_found",
  });
  const isLeft = async () => {
    await client.call(api.getTask, { params: { task_id: seeded.taskId } });
    return (await pool.query("select 1 from boards where id = $1", [board.id])).rowCount;
  };
  await eventually(isLeft, 0, 240_000);
  const { rows } = await pool.query("select count(*)::int as n from tasks where board_id = $1", [board.id]);
  expect(rows).toEqual([{ n: 0 }]);
  expect(watch.complaints).toEqual([]);
}, 600_000);
