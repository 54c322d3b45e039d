import { randomUUID } from "node:crypto";
import { AgentTypeInput, AllowedHostInput, matchesHost } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { AgentTypes } from "../agent-types/index.ts";
import type { GatewayContext } from "../gateway/index.ts";
import { schema } from "../store/index.ts";
import { AllowLists } from "./allow-lists.ts";

const setting = [{ entry: "npm", allowsPrivate: false }];
const createLists = (f: Fixture) => new AllowLists(f.db, f.log, setting);
const add = (f: Fixture, lists: AllowLists, input: object) => lists.add(f.owner, AllowedHostInput.parse(input));

async function createAgentType(f: Fixture, name: string): Promise<void> {
  const types = new AgentTypes(f.db, {
    routes: {},
    images: { prefix: "", tag: "latest" },
    findMissingReason: async () => undefined,
  });
  await types.create(f.owner, AgentTypeInput.parse({ name, command: ["x"] }));
}

/** Whether a runner may reach a host, and whether also at a private address. */
async function look(lists: AllowLists, context: Partial<GatewayContext>, host: string): Promise<string> {
  const rules = await lists.findRules({ runner_id: "r", run_id: "r", token: "t", ...context });
  const matching = rules.filter(({ patterns }) => patterns.some((pattern) => matchesHost(pattern, host, 443)));
  if (matching.length === 0) return "denied";
  return matching.some((rule) => rule.allowsPrivate) ? "private" : "allowed";
}

test("an entry concerns the runners of its organisation, its agent type or its task", async () => {
  await using f = await fixture();
  const lists = createLists(f);
  await createAgentType(f, "mine");
  const task = await f.newTask();
  await add(f, lists, { entry: "everywhere.example" });
  await add(f, lists, { entry: "agent.example", agent_type: "mine" });
  await add(f, lists, { entry: "task.example", task_id: task.id });
  const { organization_id } = f.owner;
  const mine = { organization_id, agent_type: "mine", task_id: randomUUID() };
  const ofTask = { organization_id, agent_type: "demo", task_id: task.id };
  const standalone = { organization_id };
  const foreign = { organization_id: randomUUID(), agent_type: "mine", task_id: task.id };
  const hosts = ["registry.npmjs.org", "everywhere.example", "agent.example", "task.example"];
  const lookAtAll = (context: Partial<GatewayContext>) => Promise.all(hosts.map((host) => look(lists, context, host)));
  expect(await lookAtAll(mine)).toEqual(["allowed", "allowed", "allowed", "denied"]);
  expect(await lookAtAll(ofTask)).toEqual(["allowed", "allowed", "denied", "allowed"]);
  expect(await lookAtAll(standalone)).toEqual(["allowed", "allowed", "denied", "denied"]);
  expect(await lookAtAll(foreign)).toEqual(["allowed", "denied", "denied", "denied"]);
  expect(await lookAtAll({})).toEqual(["allowed", "denied", "denied", "denied"]);
});

test("the same entry twice is one entry, with the last permission for private networks", async () => {
  await using f = await fixture();
  const lists = createLists(f);
  const first = await add(f, lists, { entry: "Mirror.Example" });
  const second = await add(f, lists, { entry: "mirror.example", allows_private: true });
  expect(second).toEqual({ ...first, allows_private: true });
  expect(await look(lists, f.owner, "mirror.example")).toBe("private");
  expect((await lists.list(f.owner, { limit: 100 })).rows.map(({ entry, source }) => [entry, source])).toEqual([
    ["npm", "setting"],
    ["mirror.example", "person"],
  ]);
});

test("a removed entry counts no longer, and another organisation cannot remove it", async () => {
  await using f = await fixture();
  const lists = createLists(f);
  const { id } = await add(f, lists, { entry: "a.example" });
  const stranger = { ...f.owner, organization_id: randomUUID() };
  await expect(lists.remove(stranger, id!)).rejects.toMatchObject({ code: "allowed_host_not_found" });
  expect((await lists.list(stranger, { limit: 100 })).rows).toHaveLength(1);
  await lists.remove(f.owner, id!);
  expect(await look(lists, f.owner, "a.example")).toBe("denied");
  await expect(lists.remove(f.owner, id!)).rejects.toMatchObject({ code: "allowed_host_not_found" });
});

test("an entry of a task is in its log and is listed with those that concern the task", async () => {
  await using f = await fixture();
  const lists = createLists(f);
  const [task, other] = [await f.newTask(), await f.newTask()];
  await add(f, lists, { entry: "one.example", task_id: task.id });
  await add(f, lists, { entry: "two.example", task_id: other.id });
  await add(f, lists, { entry: "all.example" });
  expect((await lists.list(f.owner, { task_id: task.id, limit: 100 })).rows.map(({ entry }) => entry)).toEqual([
    "npm",
    "one.example",
    "all.example",
  ]);
  const events = await f.log.read(task.id, 0, 100);
  expect(JSON.stringify(events)).toContain("Runners of this task may reach one.example now.");
});

test("a denied host is counted until an entry allows it, for its task or for all", async () => {
  await using f = await fixture();
  const lists = createLists(f);
  const [task, other] = [await f.newTask(), await f.newTask()];
  const deny = (taskId: string, entry: string) =>
    lists.recordDenial(taskId, { entry, allows_private: false, reason: "no list has it" });
  const list = async (task_id?: string) =>
    (await lists.listDenied(f.owner, { task_id, limit: 100 })).rows
      .map((one) => `${one.entry} ${one.attempts}`)
      .toSorted();
  for (const taskId of [task.id, task.id, other.id]) await deny(taskId, "pypi.org");
  await deny(task.id, "odd.example:8443");
  expect(await list(task.id)).toEqual(["odd.example:8443 1", "pypi.org 2"]);
  expect(await list()).toEqual(["odd.example:8443 1", "pypi.org 1", "pypi.org 2"]);
  await add(f, lists, { entry: "odd.example" });
  expect(await list(task.id)).toContain("odd.example:8443 1");
  await add(f, lists, { entry: "odd.example:8443", task_id: task.id });
  expect(await list(task.id)).toEqual(["pypi.org 2"]);
  await add(f, lists, { entry: "pypi" });
  expect(await list()).toEqual([]);
  const stranger = { ...f.owner, user_id: randomUUID(), role: "member" as const };
  await deny(task.id, "x.example");
  expect(await lists.listDenied(stranger, { limit: 100 })).toEqual({ rows: [] });
});

test("an entry leaves the denials that it does not answer: of other organisations and agents, and for private addresses", async () => {
  await using f = await fixture();
  const lists = createLists(f);
  await createAgentType(f, "mine");
  const [task, other] = [await f.newTask({ title: "mine" }), await f.newTask({ title: "other" })];
  await f.db.update(schema.tasks).set({ agent_type: "mine" }).where(eq(schema.tasks.id, task.id));
  const denied = { allows_private: false, reason: "no list has it" };
  for (const { id } of [task, other]) await lists.recordDenial(id, { ...denied, entry: "pypi.org" });
  await lists.recordDenial(task.id, { ...denied, entry: "mirror.example", allows_private: true });
  const list = async () =>
    (await lists.listDenied(f.owner, { limit: 100 })).rows
      .map((one) => `${one.entry} of ${one.task_id === task.id ? "mine" : "other"}`)
      .toSorted();
  const stranger = { ...f.owner, organization_id: randomUUID() };
  await f.db
    .insert(schema.organizations)
    .values({ id: stranger.organization_id, name: "Strangers", slug: "strangers" });
  await lists.add(stranger, AllowedHostInput.parse({ entry: "pypi.org" }));
  expect(await list()).toHaveLength(3);
  await add(f, lists, { entry: "pypi", agent_type: "mine" });
  await add(f, lists, { entry: "mirror.example" });
  expect(await list()).toEqual(["mirror.example of mine", "pypi.org of other"]);
  await add(f, lists, { entry: "mirror.example", allows_private: true });
  expect(await list()).toEqual(["pypi.org of other"]);
});

test("a task keeps a limited number of denied hosts, and goes with its denials and entries", async () => {
  await using f = await fixture();
  const lists = createLists(f);
  const task = await f.newTask();
  await add(f, lists, { entry: "one.example", task_id: task.id });
  for (let i = 0; i < 205; i++)
    await lists.recordDenial(task.id, { entry: `${i}.example`, allows_private: false, reason: "no list has it" });
  await lists.recordDenial(task.id, { entry: "0.example", allows_private: false, reason: "no list has it" });
  const { rows: denied } = await lists.listDenied(f.owner, { limit: 1000 });
  expect(denied).toHaveLength(200);
  expect(denied[0]).toMatchObject({ entry: "0.example", attempts: 2 });
  await f.db.delete(schema.tasks);
  expect(await lists.listDenied(f.owner, { limit: 1000 })).toEqual({ rows: [] });
  expect((await lists.list(f.owner, { limit: 100 })).rows).toHaveLength(1);
});
