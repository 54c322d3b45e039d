import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { api, runnerApi, type RunnerCreate } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { noTraces, findTraces } from "./support/processes.ts";
import { createRepository } from "./support/repository.ts";
import { isPushed, timeoutMs, createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Warm runners, as the users of a server with a pool see them. */
let folder: string;
let wharf: ServerHarness;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { WHARF_POOL: "small=2" });
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const create = (body: Partial<RunnerCreate> = {}) =>
  wharf.client.call(runnerApi.createRunner, { query: { wait: "true" }, body });
const exec = async (id: string, command: string) => {
  const body = { command };
  return wharf.client.call(runnerApi.execRunnerOnce, { params: { runner_id: id }, body });
};
const listed = async () => (await wharf.client.call(runnerApi.listRunners, {})).runners.map(({ id }) => id);
/** Returns the waiting runners once there are `n` and none is being created. */
async function waiting(n: number): Promise<string[]> {
  const pool = async () => (await wharf.client.call(api.serverInfo, {}, { retryTimeoutMs: timeoutMs })).pool ?? [];
  await eventually(async () => (await pool()).reduce((sum, { ready }) => sum + ready, 0), n, 30_000);
  const taken = await listed();
  const mine = wharf.runnerIds().filter((id) => !taken.includes(id));
  expect(mine).toHaveLength(n);
  return mine.sort();
}
const getDaemon = (id: string): unknown =>
  JSON.parse(readFileSync(join(wharf.data, "runners", id, "run.json"), "utf8")).daemon;

test("gives a warm runner to the creator of a runner alone, and a repeated request gets the same runner", async () => {
  const before = await waiting(2);
  expect(await listed()).toEqual([]);
  const request_id = crypto.randomUUID();
  const wish = { name: "mine", environment: { GREETING: "hello" }, request_id };
  const [one, again] = await Promise.all([create(wish), create(wish)]);
  expect(one).toMatchObject({ state: "READY", name: "mine", tier: "small", environment: { GREETING: "hello" } });
  expect(again.id).toBe(one.id);
  expect(before).toContain(one.id);
  expect(await exec(one.id, "echo $GREETING; touch kept; ls -A ~")).toMatchObject({ stdout: "hello\n", exit_code: 0 });
  const other = await create();
  expect(before).toContain(other.id);
  expect(await exec(other.id, "echo -$GREETING-; ls -A")).toMatchObject({ stdout: "--\n" });
  await wharf.client.call(runnerApi.stopRunner, { params: { runner_id: one.id } });
  await wharf.client.call(runnerApi.startRunner, { params: { runner_id: one.id }, query: { wait: "true" } });
  expect(await exec(one.id, "ls; command -v wharf-agent >&2")).toMatchObject({ stdout: "kept\n" });
  const chosen = crypto.randomUUID();
  expect((await create({ id: chosen })).id).toBe(chosen);
  expect(before).not.toContain((await create({ tier: "medium" })).id);
  const next = await waiting(2);
  expect(next.filter((id) => before.includes(id))).toEqual([]);
  await wharf.cli("runner", "rm", "--all");
  expect(await waiting(2)).toEqual(next);
});

test("gives a warm runner to a run, which continues like any other", async () => {
  const before = await waiting(2);
  const repository = createRepository(join(folder, "repository"));
  const task = await wharf.createTask({ repository_url: repository });
  await wharf.turn(task, "write a file");
  await wharf.until(task.id, isPushed);
  expect(before).toEqual(expect.arrayContaining(await listed()));
  const [runner] = await listed();
  await wharf.cli("task", "accept", task.id);
  await waiting(2);
  await wharf.turn(task, "and another");
  expect(await listed()).toEqual([runner]);
  await wharf.client.call(api.deleteTask, { params: { task_id: task.id } });
  await eventually(async () => existsSync(join(wharf.data, "runners", runner!)), false);
});

test("gives each warm runner to one owner, and loses none when the server is killed during many claims", async () => {
  const before = await waiting(2);
  const daemons = before.map(getDaemon);
  await wharf.kill();
  await wharf.start();
  expect(await waiting(2)).toEqual(before);
  expect(before.map(getDaemon)).toEqual(daemons);
  const asking = Array.from({ length: 6 }, () => create({ request_id: crypto.randomUUID() }).catch(() => undefined));
  await Promise.race(asking);
  await wharf.kill();
  await Promise.all(asking);
  await wharf.start();
  await waiting(2);
  const mine = await listed();
  for (const id of mine) expect(await exec(id, "echo alive")).toMatchObject({ stdout: "alive\n" });
  await wharf.cli("runner", "rm", "--all");
  expect(wharf.runnerIds()).toHaveLength(2);
});

test("shrinks with its setting, is empty at zero, and leaves nothing behind after `down`", async () => {
  const before = await waiting(2);
  await wharf.interrupt();
  wharf.environment["WHARF_POOL"] = "small=1";
  await wharf.start();
  const [kept] = await waiting(1);
  expect(before).toContain(kept);
  const asked = await wharf.client.call(api.serverInfo, {});
  expect(asked.pool).toEqual([{ tier: "small", size: 1, ready: 1 }]);
  await wharf.interrupt();
  wharf.environment["WHARF_POOL"] = "";
  await wharf.start();
  await eventually(async () => wharf.runnerIds(), []);
  await wharf.interrupt();
  wharf.environment["WHARF_POOL"] = "small=2";
  await wharf.start();
  const last = await waiting(2);
  await wharf[Symbol.asyncDispose]();
  expect(wharf.runnerIds()).toEqual([]);
  for (const id of [...before, ...last]) expect(findTraces(id)).toEqual(noTraces);
});
