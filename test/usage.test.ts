import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { api, ResourceUsageReport, runnerApi, UsageReport } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addAskingAgent } from "./support/agents/asking-agent.ts";
import { type ModelServer, startGemini } from "./support/models/index.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Counts what a task uses of models, its runner and hosts, and shows it to people and programs. */
let folder: string;
let wharf: ServerHarness;
let model: ModelServer;
const registry = createServer((_req, res) => res.end("x".repeat(1_000)));

function getRegistryPort(): number {
  const address = registry.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

beforeAll(async () => {
  folder = createScratchFolder();
  model = await startGemini({ key: "real-key", script: () => ({ text: "one two three" }) });
  registry.listen(0, "127.0.0.1");
  await once(registry, "listening");
  const url = `http://127.0.0.1:${getRegistryPort()}/`;
  const registries = [{ name: "packages", kind: "npm", url, token: { env: "PACKAGES_TOKEN" } }];
  writeFileSync(join(folder, "registries.json"), JSON.stringify({ registries }));
  wharf = new ServerHarness(folder, {
    GEMINI_API_KEY: "real-key",
    GEMINI_BASE_URL: model.url,
    WHARF_REGISTRIES: join(folder, "registries.json"),
    PACKAGES_TOKEN: "registry-token",
  });
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await model.close();
  registry.close();
  rmSync(folder, { recursive: true, force: true });
});

const readUsage = async (...args: string[]) =>
  UsageReport.parse(JSON.parse((await wharf.cli("usage", "--json", ...args)).stdout));

test("what a task used is counted by turn, also after a crash of the server, and shown", async () => {
  const agent_type = await addAskingAgent(wharf);
  const repository_url = createRepository(join(folder, "repository"));
  const task = await wharf.createTask({ repository_url, agent_type, title: "ask a model" });
  await wharf.turn(task, "demo: model first\ndemo: model second");
  await wharf.kill();
  await wharf.start();
  await wharf.turn(task, "demo: model third");

  const { total } = await readUsage("--task", task.id.slice(0, 8));
  expect(total).toMatchObject({ requests: 3, failed_requests: 0, estimated_requests: 0, unpriced_requests: 3 });
  expect(total.input_tokens).toBeGreaterThan(0);
  expect(total.output_tokens).toBeGreaterThan(0);
  const byTurn = await readUsage("--by", "turn", "--task", task.id);
  expect(byTurn.rows.map(({ requests }) => requests).toSorted((a, b) => a - b)).toEqual([1, 2]);
  expect((await readUsage("--by", "task")).rows).toMatchObject([{ key: task.id, name: "ask a model", requests: 3 }]);
  expect((await readUsage("--by", "model", "--agent", "asking")).rows).toMatchObject([{ key: "x", requests: 3 }]);
  expect((await readUsage("--to", "2026-01-01")).total.requests).toBe(0);

  const shown = await wharf.cli("usage", "--by", "task");
  expect(shown.stdout).toMatch(
    /^REQUESTS +INPUT +CACHED +OUTPUT +COST +TASK\n3 +\d+ +0 +\d+ +unknown +[0-9a-f]{8} ask a/,
  );
  expect(shown.stdout).toContain("The price of 3 requests is unknown");
  const csv = await wharf.cli("usage", "--by", "task", "--csv");
  expect(csv.stdout).toMatch(new RegExp(`^task,name,requests,.*\r\n${task.id},ask a model,3,0,0,0,3,`));
  expect((await wharf.cli("task", "show", task.id)).stdout).toMatch(/usage +3 model requests, \d+ tokens in, \d+ out/);
  const { url, token } = await wharf.client.locate();
  const response = await fetch(`${url}/api/v1/usage.csv?group_by=task`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/csv; charset=utf-8"]);
  expect(await response.text()).toBe(csv.stdout);
});

test("what a task's runner used is counted at the end of each turn, also after a crash of the server, and shown", async () => {
  const repository_url = createRepository(join(folder, "measured"));
  const task = await wharf.createTask({ repository_url, title: "run a while", tier: "medium" });
  const read = async (...args: string[]) => {
    const { stdout } = await wharf.cli("usage", "--resources", "--json", "--task", task.id.slice(0, 8), ...args);
    return ResourceUsageReport.parse(JSON.parse(stdout));
  };
  const readTotal = async () => (await wharf.client.call(api.getResourceUsage, { query: { task_id: task.id } })).total;
  const patience = { timeout: 60_000 };
  await wharf.turn(task, "demo: write a.txt one");
  await expect.poll(async () => (await readTotal()).cpu_seconds, patience).toBeGreaterThan(0);
  const first = await readTotal();
  expect(first.running_seconds).toBeGreaterThan(0);
  expect(first.storage_gib_hours).toBeGreaterThan(0);
  await wharf.kill();
  await wharf.start();
  await wharf.turn(task, "demo: write b.txt two");
  await expect.poll(async () => (await readTotal()).running_seconds, patience).toBeGreaterThan(first.running_seconds);

  const { rows } = await read("--by", "user");
  expect(rows).toMatchObject([{ name: expect.any(String) }]);
  expect((await read("--by", "tier")).rows).toMatchObject([{ key: "medium" }]);
  const [runner] = (await read("--by", "runner")).rows;
  expect(runner?.key).toMatch(/^[0-9a-f-]{36}$/);
  const shown = await wharf.cli("usage", "--resources", "--task", task.id);
  expect(shown.stdout).toMatch(
    /^TIME +CPU +MEMORY +STORAGE +TASK\n.* s +.* s +<?0\.\d\d GiB-h +<?\d+\.\d\d GiB-h +[0-9a-f]{8} run a while\n/,
  );
  expect((await wharf.cli("task", "show", task.id)).stdout).toMatch(
    /resources +.* s of a runner, .* s CPU, .* GiB-h of memory, .* GiB-h of storage/,
  );
  const { url, token } = await wharf.client.locate();
  const response = await fetch(`${url}/api/v1/usage/resources.csv?group_by=task&task_id=${task.id}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(response.headers.get("content-type")).toBe("text/csv; charset=utf-8");
  expect(await response.text()).toMatch(
    new RegExp(
      `^task,name,running_seconds,cpu_seconds,memory_gib_hours,storage_gib_hours\r\n${task.id},run a while,[0-9.]+,`,
    ),
  );
  // A stopped runner keeps its disk.
  await wharf.client.call(api.stopTask, { params: { task_id: task.id } });
  const params = { runner_id: runner?.key ?? "" };
  const getState = async () => (await wharf.client.call(runnerApi.getRunner, { params })).state;
  await expect.poll(getState, patience).toBe("STOPPED");
  const stopped = await readTotal();
  await expect
    .poll(async () => (await readTotal()).storage_gib_hours, patience)
    .toBeGreaterThan(stopped.storage_gib_hours);
});

test("the hosts that a task's runner reached are shown with what it received", async () => {
  const repository_url = createRepository(join(folder, "reaching"));
  const task = await wharf.createTask({ repository_url, title: "reach a host" });
  await wharf.turn(task, 'demo: run curl -sf "${npm_config_registry}one" "${npm_config_registry}two"');
  const query = { task_id: task.id };
  const host = `127.0.0.1:${getRegistryPort()}`;
  await expect
    .poll(async () => (await wharf.client.call(api.getHostUsage, { query })).hosts, { timeout: 60_000 })
    .toMatchObject([{ host, connections: 2, bytes_in: 2_000, bytes_out: 0 }]);
  const shown = await wharf.cli("usage", "--hosts", "--task", task.id.slice(0, 8));
  expect(shown.stdout).toMatch(
    new RegExp(`^SENT +RECEIVED +CONNECTIONS +LAST +HOST\n0 B +2\\.0 kB +2 +.* ago +${host}\n$`),
  );
  const csv = await wharf.cli("usage", "--hosts", "--task", task.id, "--csv");
  expect(csv.stdout).toMatch(new RegExp(`^host,connections,.*\r\n${host},2,2000,0,.*\r\n$`));
});
