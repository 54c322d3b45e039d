import { rmSync } from "node:fs";
import { join } from "node:path";
import { api, type Event, type Task, type TaskInput } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../packages/cli/src/server/client.ts";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** People decide in which order tasks start: by dependencies, by force, and by a pause. */
let folder: string;
let wharf: ServerHarness;
let remote: string;

beforeAll(async () => {
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  wharf = new ServerHarness(folder, { WHARF_MAX_RUNS: "1" });
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const createTask = (fields: Partial<TaskInput> = {}) => wharf.createTask({ repository_url: remote, ...fields });
const getStatus = (task: Task) => wharf.client.call(api.taskStatus, { params: { task_id: task.id } });
const hasText = (words: string) => (event: Event) => getAgentText([event]).includes(words);
const waitForState = (task: Task, state: Task["state"]) =>
  eventually(async () => (await wharf.task(task.id)).state, state, 30_000);

/** Creates a user of the organization with a board, and a client that acts for the user. */
async function addMember(username: string): Promise<{ client: Client; boardId: string }> {
  await wharf.client.call(api.addMember, { body: { username, role: "member" } });
  const { token } = await wharf.client.call(api.createAccessToken, { body: { name: "test", user: username } });
  const { url } = await wharf.client.locate();
  const client = new Client(async () => ({ url, token }));
  const { id } = await client.call(api.createBoard, { body: { name: username } });
  return { client, boardId: id };
}

describe("a task that depends on another", () => {
  test("starts by itself when a person accepts the other one, and says until then why it waits", async () => {
    const first = await createTask({ description: "demo: say first" });
    const next = await createTask({ description: "demo: say next", depends_on: [first.id.slice(0, 8)] });
    const short = first.id.slice(0, 8);
    expect((await wharf.cli("task", "start", next.id)).stdout).toContain(
      `It waits for the task ${short} (not started).`,
    );
    await wharf.cli("task", "start", first.id);
    await waitForState(first, "REVIEW");
    const { queue } = await getStatus(next);
    expect(queue).toMatchObject({
      waits_for: "dependency",
      reason: `It waits for the task ${short} (to be accepted).`,
    });
    expect((await wharf.cli("queue")).stdout).toContain(queue!.reason);
    await wharf.cli("task", "accept", first.id);
    await wharf.until(next.id, hasText("next"));
    const shown = await wharf.cli("task", "show", next.id);
    expect(shown.stdout).toMatch(new RegExp(`depends on +${short} \\(COMPLETED\\)`));
  });

  test("starts before the other one if a person ignores it", async () => {
    const first = await createTask();
    const next = await createTask({ description: "demo: say anyway", depends_on: [first.id] });
    await wharf.cli("task", "start", next.id);
    expect((await wharf.cli("task", "start", next.id, "--ignore-dependencies")).code).toBe(0);
    await wharf.until(next.id, hasText("anyway"));
    expect(
      (await wharf.events(next.id)).filter(({ data }) => data.kind === "turn" && data.status === "queued"),
    ).toHaveLength(1);
  });
});

describe("the order of the queue", () => {
  // K-052 K-053
  test("has a task that an admin forced first, after a pause that starts nothing", async () => {
    await wharf.cli("queue", "pause", "--reason", "a test");
    const status = await wharf.client.call(api.orchestratorStatus, {});
    expect(status).toMatchObject({ status: "paused", active_agents: expect.any(Number), queued_tasks: 0 });
    expect(status).toMatchObject({ uptime_seconds: expect.any(Number), last_heartbeat: expect.any(String) });
    const urgent = await createTask({ priority: 10, description: "demo: say urgent" });
    const forced = await createTask({ description: "demo: say forced" });
    await wharf.client.call(api.triggerTask, { body: { task_id: urgent.id } });
    const { agent_instance_id } = await wharf.client.call(api.triggerTask, {
      body: { task_id: forced.id, force: true },
    });
    const { tasks } = await wharf.client.call(api.orchestratorQueue, { query: {} });
    expect(tasks.map(({ task_id }) => task_id)).toEqual([forced.id, urgent.id]);
    expect(tasks[0]).toMatchObject({ waits_for: "pause", reason: "The queue is paused: a test" });
    expect((await wharf.client.call(api.orchestratorStatus, {})).queued_tasks).toBe(2);
    await wharf.cli("queue", "resume");
    const events = await wharf.until(forced.id, hasText("forced"));
    expect(events.some(({ agent_id }) => agent_id === agent_instance_id)).toBe(true);
    await wharf.until(urgent.id, hasText("urgent"));
  });

  test("is no choice of a member, or of a person who does not see the task", async () => {
    const { client, boardId } = await addMember("ada");
    const body = { title: "own", description: "demo: say own", agent_type: "demo", repository_url: remote };
    const own = await client.call(api.createTask, { params: { board_id: boardId }, body });
    const forced = client.call(api.triggerTask, { body: { task_id: own.id, force: true } });
    await expect(forced).rejects.toMatchObject({ code: "permission_missing" });
    const foreign = client.call(api.triggerTask, { body: { task_id: (await createTask()).id } });
    await expect(foreign).rejects.toMatchObject({ code: "task_not_found" });
  });

  test("lets a user with 500 waiting tasks delay another user's first one by one slot at most", async () => {
    await wharf.cli("queue", "pause");
    const [many, one] = [await addMember("bob"), await addMember("eve")];
    const body = { title: "a task", description: "demo: say done", agent_type: "demo", repository_url: remote };
    const startTask = async ({ client, boardId }: typeof many) => {
      const { id } = await client.call(api.createTask, { params: { board_id: boardId }, body });
      await client.call(api.triggerTask, { body: { task_id: id } });
      return id;
    };
    for (let batch = 0; batch < 20; batch++) await Promise.all(Array.from({ length: 25 }, () => startTask(many)));
    const first = await startTask(one);
    await wharf.cli("queue", "resume");
    await wharf.until(first, hasText("done"), 60_000);
    await wharf.cli("queue", "pause");
    const { agents } = await many.client.call(api.listAgents, { query: { limit: 1000 } });
    const begun = agents.filter(({ started_at }) => started_at !== undefined).map(({ started_at }) => started_at!);
    const { agents: own } = await one.client.call(api.listTaskAgents, { params: { task_id: first } });
    expect(agents).toHaveLength(500);
    expect(begun.filter((time) => time < own[0]!.started_at!).length).toBeLessThanOrEqual(1);
  }, 300_000);
});
