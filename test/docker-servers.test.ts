import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event, runnerApi, runnerWorkspaceApi, type Task, taskStreamPath, type Turn } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { WebSocket } from "ws";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../packages/server/src/store/embedded/index.ts";
import { createDockerCli, SeparateEngine } from "./support/docker-engines.ts";
import { eventually } from "./support/eventually.ts";
import { fetchPreview, startPreviewProgram } from "./support/previews/preview-client.ts";
import { killProcess } from "./support/processes.ts";
import { git, createRepository } from "./support/repository.ts";
import { isPushed, timeoutMs, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";
import { expectSharedTasks, createSharedSettings } from "./support/shared-database.ts";
import { dockerAddress, ensureImage, withTestService } from "./support/test-services.ts";

/**
 * Two servers, one PostgreSQL, one Docker engine. `WHARF_KILLS` sets how often the test kills one
 * of them, or a runner.
 */
const { test, present } = withTestService("docker");
const isSkipped = !present && !process.env["CI"];
const rounds = Number(process.env["WHARF_KILLS"] ?? 12);
const taskCount = Number(process.env["WHARF_TASKS"] ?? 4);
const settleMs = 180_000;

let folder: string;
let remote: string;
let engine: SeparateEngine;
let docker: ReturnType<typeof createDockerCli>;
let database: EmbeddedPostgres;
let servers: [ServerHarness, ServerHarness];

beforeAll(async () => {
  if (isSkipped) return;
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  engine = new SeparateEngine(join(folder, "engine"), { liveRestore: true });
  await engine.start();
  docker = createDockerCli(engine.address);
  const image = process.env["WHARF_RUNNER_IMAGE"] ?? ensureImage("runner");
  const copy = `docker --host ${dockerAddress()} save ${image} | docker --host ${engine.address} load`;
  execFileSync("bash", ["-c", copy], { stdio: "ignore" });
  database = await startEmbeddedPostgres({ folder: join(folder, "postgres") });
  const environment = {
    ...createSharedSettings(database),
    WHARF_BACKEND: "docker",
    DOCKER_HOST: engine.address,
    WHARF_RUNNER_IMAGE: image,
    WHARF_MAX_RUNS: String(taskCount),
  };
  servers = [new ServerHarness(join(folder, "a"), environment), new ServerHarness(join(folder, "b"), environment)];
  for (const server of servers) await server.start();
}, 300_000);

afterAll(async () => {
  if (isSkipped) return;
  await servers[1][Symbol.asyncDispose]();
  await servers[0][Symbol.asyncDispose]();
  await database.stop();
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const pickServer = () => servers[Math.random() < 0.5 ? 0 : 1];
/** Asks either server until one answers: the other may have just been killed. */
async function ask<T>(work: (server: ServerHarness) => Promise<T>): Promise<T> {
  const deadline = Date.now() + 2 * timeoutMs; // one attempt may use up its own timeout
  for (;;) {
    try {
      return await work(pickServer());
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

const listTurns = (server: ServerHarness, task: Task): Promise<Turn[]> =>
  server.client
    .call(api.listTaskTurns, { params: { task_id: task.id } }, { retryTimeoutMs: timeoutMs })
    .then(({ turns }) => turns.toSorted((a, b) => a.created_at.localeCompare(b.created_at)));
const isOver = ({ state }: Turn) => state !== "QUEUED" && state !== "RUNNING";
const listContainers = () =>
  docker("ps", "--filter", "label=wharf.runner", "--format", "{{.Names}}")
    .split("\n")
    .filter((name) => name !== "");

/** Reads the whole log as a viewer gets it over WebSocket. */
async function watchLog(server: ServerHarness, task: Task, last: number): Promise<Event[]> {
  const { url, token } = await server.client.locate();
  const address = `${url.replace("http", "ws")}${taskStreamPath.replace(":task_id", task.id)}?after=0`;
  const socket = new WebSocket(address, { headers: { authorization: `Bearer ${token}` } });
  const events: Event[] = [];
  const done = Promise.withResolvers<void>();
  socket.on("message", (data: Buffer) => {
    events.push(JSON.parse(data.toString()) as Event);
    if (events.at(-1)!.seq >= last) done.resolve();
  });
  socket.once("error", done.reject);
  await done.promise;
  socket.close();
  return events;
}

describe("two servers on one database", () => {
  test("share the tasks, and each answers for the other's runners", { timeout: 240_000 }, async () => {
    await expectSharedTasks(servers, remote, 4);
    await eventually(() => listContainers().length, 0, 60_000);
  });

  test("lead a preview to the server that holds its runner", { timeout: 240_000 }, async () => {
    const { client } = servers[0];
    const { id: runner_id } = await client.call(
      runnerApi.createRunner,
      { query: { wait: "true" }, body: {} },
      { timeoutMs: 120_000 },
    );
    await startPreviewProgram(client, runner_id, 3_000);
    const preview = await client.call(runnerWorkspaceApi.createPreview, {
      params: { runner_id },
      body: { port: 3_000 },
    });
    for (const server of servers) {
      const link = new URL(preview.url);
      link.port = new URL((await server.client.locate()).url).port;
      const { status, body } = await fetchPreview(link.href, "/");
      expect([status, String(body)]).toEqual([200, expect.stringContaining("Hello from the runner")]);
    }
    await client.call(runnerApi.deleteRunner, { params: { runner_id } });
    await eventually(() => listContainers().length, 0, 60_000);
  });

  test(`lose and duplicate nothing through ${rounds} kills`, { timeout: 1_500_000 }, async () => {
    const tasks = await Promise.all(
      Array.from({ length: taskCount }, (_, i) =>
        ask((server) => server.createTask({ title: `t${i}`, repository_url: remote })),
      ),
    );
    const over = new AbortController();
    const prompting = Promise.all(tasks.map((task, i) => keepPrompting(task, `t${i}`, over.signal)));
    prompting.catch(() => undefined);
    const killed = { server: 0, runner: 0, postgres: 0, engine: 0 };
    for (let i = 0; i < rounds; i++) {
      await sleep(Math.random() * 2_000);
      const victim = chooseVictim();
      killed[victim]++;
      await kills[victim]();
    }
    over.abort();
    const names = await prompting;
    const interrupted = await verify(tasks, names);
    console.log(`${names.flat().length} turns, ${interrupted} interrupted; killed: ${JSON.stringify(killed)}`);
    for (const task of tasks)
      await ask((server) => server.client.call(api.deleteTask, { params: { task_id: task.id } }));
    await eventually(() => listContainers().length, 0, 60_000);
  });
});

/** Each function brings back the process that it killed. */
const kills = {
  server: async () => {
    const server = pickServer();
    await server.kill();
    await sleep(Math.random() * 3_000);
    await server.start();
  },
  runner: async () => {
    await eventually(() => listContainers().length > 0, true, settleMs);
    const names = listContainers();
    docker("kill", names[Math.floor(Math.random() * names.length)]!);
  },
  /**
   * The supervisor in this process restarts PostgreSQL, which may still be recovering from an
   * earlier kill.
   */
  postgres: () => eventually(() => killProcess(database.pid), true, settleMs),
  engine: async () => {
    await engine.kill();
    await sleep(Math.random() * 2_000);
    await engine.start();
  },
};

function chooseVictim(): keyof typeof kills {
  const dice = Math.random();
  if (dice < 0.5) return "server";
  if (dice < 0.7) return "runner";
  return dice < 0.85 ? "postgres" : "engine";
}

const words = (name: string) => Array.from({ length: 5 }, (_, i) => `<${name} ${i}>`);

async function keepPrompting(task: Task, prefix: string, signal: AbortSignal): Promise<string[]> {
  const names: string[] = [];
  while (!signal.aborted) {
    const name = `${prefix}n${names.length}`;
    names.push(name);
    const text = [
      ...words(name).flatMap((word) => [`demo: say ${word}`, "demo: sleep 100ms"]),
      `demo: write ${name}.txt ${name}`,
    ].join("\n");
    const id = crypto.randomUUID();
    await ask((server) => server.prompt(task, text, id));
    const deadline = Date.now() + settleMs;
    for (;;) {
      const turn = (await ask((server) => listTurns(server, task))).find((one) => one.id === id);
      if (turn && isOver(turn)) break;
      if (Date.now() > deadline) throw new Error(`the turn ${name} did not end: ${JSON.stringify(turn)}`);
      await sleep(200);
    }
  }
  return names;
}

/** Compares the logs and the remote with the turns. Returns how many turns were interrupted. */
async function verify(tasks: readonly Task[], names: readonly (readonly string[])[]): Promise<number> {
  let interrupted = 0;
  for (const [i, task] of tasks.entries()) {
    const [a, b] = servers;
    const isDelivered = async () => {
      const events = await a.events(task.id);
      const commit = events.findLast(({ data }) => data.kind === "commit")?.data;
      const push = events.findLast(isPushed)?.data;
      return commit?.kind !== "commit" || (push?.kind === "push" && push.sha === commit.sha);
    };
    await eventually(isDelivered, true, settleMs);
    const events = await a.events(task.id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
    expect(await b.events(task.id)).toEqual(events);
    for (const server of servers) expect(await watchLog(server, task, events.length)).toEqual(events);
    const turns = await listTurns(a, task);
    expect(turns).toHaveLength(names[i]!.length);
    const said = getAgentText(events);
    const files = git(remote, "ls-tree", "--name-only", task.shadow_branch).split("\n");
    for (const [n, turn] of turns.entries()) {
      const name = names[i]![n]!;
      const counts = words(name).map((word) => said.split(word).length - 1);
      if (turn.state === "ENDED") {
        expect({ name, counts }).toEqual({ name, counts: counts.map(() => 1) });
        expect(files).toContain(`${name}.txt`);
      } else {
        interrupted++;
        expect(counts.every((count) => count <= 1)).toBe(true);
      }
    }
    const order = names[i]!.flatMap((name) => words(name)).filter((word) => said.includes(word));
    expect(order.map((word) => said.indexOf(word))).toEqual(
      order.map((word) => said.indexOf(word)).toSorted((x, y) => x - y),
    );
  }
  return interrupted;
}
