import { request } from "node:http";
import { text } from "node:stream/consumers";
import { AgentTestEvent, api, type AgentTestResult } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { FailureHarness } from "./support/failure-harness.ts";
import { createAddressLocator } from "./support/network-address.ts";
import { findTraces, noTraces } from "./support/processes.ts";
import type { ServerHarness } from "./support/server-harness.ts";

let harness: FailureHarness;
let wharf: ServerHarness;

beforeAll(async () => {
  harness = await FailureHarness.start();
  wharf = harness.wharf;
});
afterAll(() => harness?.[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly events: AgentTestEvent[];
  readonly result: AgentTestResult | undefined;
}

/** Sends a request for a test; `leave` aborts it. */
async function openTest(name: string, body: object, leave?: AbortSignal) {
  const address = await createAddressLocator(wharf.data)();
  const sent = request(`${address.url}/api/v1/agent-types/${name}/test`, {
    method: "POST",
    headers: { authorization: `Bearer ${address.token}`, "content-type": "application/json" },
    ...(leave && { signal: leave }),
  });
  sent.end(JSON.stringify(body));
  return sent;
}

async function testAgent(name: string, body: object = {}): Promise<Answer> {
  const sent = await openTest(name, body);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  sent.on("error", reject);
  sent.on("response", (answer) =>
    text(answer).then((lines) => {
      const hasEvents = answer.headers["content-type"] === "application/x-ndjson";
      const events = (hasEvents ? lines.split("\n") : [])
        .filter(Boolean)
        .map((line) => AgentTestEvent.parse(JSON.parse(line)));
      const result = events.at(-1);
      resolve({ status: answer.statusCode ?? 0, events, result: result?.type === "result" ? result : undefined });
    }, reject),
  );
  return promise;
}

/** Titles of the tasks that exist, without that of the bystander. */
async function listTestTasks(): Promise<string[]> {
  const { tasks } = await wharf.client.call(api.listTasks, { query: {} });
  return tasks.map(({ title }) => title).filter((title) => title.startsWith("Test of"));
}

/** No task, no runner and no process remains. */
async function expectNothingLeft(): Promise<void> {
  await eventually(listTestTasks, []);
  const runners = async () =>
    (await wharf.client.call(api.listAgents, { query: {} })).agents.filter(({ agent_type }) => agent_type !== "demo");
  expect(await runners()).toEqual([]);
}

describe("a test of an agent type", () => {
  test("reports each step, what the agent says about itself, and its answer, and removes the runner", async () => {
    const before = wharf.runnerIds();
    const { events, result } = await testAgent("demo", { prompt: "demo: say I am here\ndemo: ask something" });
    const ended = events.flatMap((event) => (event.type === "phase" && event.status === "done" ? [event.phase] : []));
    expect(ended).toEqual(["queue", "provision", "connect", "agent", "answer", "turn"]);
    expect(result).toMatchObject({
      ok: true,
      agent: {
        protocol: "acp",
        protocol_version: 1,
        name: expect.stringContaining("demo"),
        version: expect.any(String),
      },
      // The test refuses what the agent asks for.
      answer: "I am here\nanswer: rejected",
      output: [],
    });
    expect(result?.agent?.handshake_ms).toBeGreaterThan(0);
    expect(result?.error).toBeUndefined();
    expect(result?.phases.map(({ status }) => status)).toEqual(Array(6).fill("done"));
    await expectNothingLeft();
    await eventually(() => wharf.runnerIds(), before, 60_000);
  });

  test("of an agent that does not start names the step, what it printed, and the next step", async () => {
    await harness.createAgentType("broken", ["sh", "-c", "echo no licence >&2; exit 3"]);
    const { result } = await testAgent("broken");
    expect(result).toMatchObject({
      ok: false,
      phases: [{ status: "done" }, { status: "done" }, { status: "done" }, { phase: "agent", status: "failed" }],
      error: {
        code: expect.stringMatching(/^agent_/),
        message: expect.stringContaining("no licence"),
        next: expect.stringContaining("wharf agent-types set broken"),
      },
    });
    expect(result?.agent).toBeUndefined();
    await expectNothingLeft();
  });

  test("of an agent that never answers ends at its limit of time", async () => {
    const { result } = await testAgent("demo", { prompt: "demo: hang deaf", timeout_s: 2 });
    expect(result).toMatchObject({ ok: false, error: { code: "agent_test_timeout" }, answer: "" });
    expect(result?.phases.at(-1)).toMatchObject({ status: "failed" });
    await expectNothingLeft();
  });

  test("of an agent that answers nothing for too long reports the limit of the turn", async () => {
    const { result } = await testAgent("demo", { prompt: "demo: hang" });
    expect(result).toMatchObject({ ok: false, error: { code: "agent_timeout" } });
    expect(result?.phases.at(-1)).toMatchObject({ phase: "answer", status: "failed" });
    await expectNothingLeft();
  });

  test("of an agent that only prints reads its output as the answer", async () => {
    await harness.createAgentType("printer", ["sh", "-c", 'echo "read: $(cat)"'], "text");
    const { result } = await testAgent("printer", { prompt: "a word" });
    expect(result).toMatchObject({
      ok: true,
      answer: "read: a word",
      agent: { protocol: "text", modes: [], models: [] },
    });
    await expectNothingLeft();
  });

  test("ends with its task when the caller leaves", async () => {
    const leaving = new AbortController();
    const sent = await openTest("demo", { prompt: "demo: hang deaf" }, leaving.signal);
    sent.on("error", () => undefined);
    sent.on("response", (answer) => answer.on("error", () => undefined).resume());
    await eventually(listTestTasks, ["Test of the agent 'demo'"]);
    leaving.abort();
    await expectNothingLeft();
  });

  test("ends when somebody deletes its task", async () => {
    const testing = testAgent("demo", { prompt: "demo: hang deaf" });
    await eventually(listTestTasks, ["Test of the agent 'demo'"]);
    const { tasks } = await wharf.client.call(api.listTasks, { query: { text: "Test of" } });
    await wharf.client.call(api.deleteTask, { params: { task_id: tasks[0]!.id } });
    expect((await testing).result).toMatchObject({ ok: false, error: { code: "agent_test_ended" } });
    await expectNothingLeft();
  });

  test("of an agent that is missing or not available is refused", async () => {
    expect(await testAgent("nowhere")).toEqual({ status: 404, events: [], result: undefined });
    await harness.createAgentType("not-there", ["no-such-program"]);
    expect(await testAgent("not-there")).toMatchObject({ status: 422, events: [] });
    expect(await testAgent("demo", { board_id: crypto.randomUUID() })).toMatchObject({ status: 404, events: [] });
    expect(await testAgent("demo", { timeout_s: 0 })).toMatchObject({ status: 400, events: [] });
  });

  test("is a command with exit codes", async () => {
    const works = await wharf.cli("agent-types", "test", "demo", "--prompt", "demo: say I am here");
    expect(works).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/✓ starts the agent[\s\S]*I am here[\s\S]*works/),
    });
    await harness.createAgentType("ends", ["sh", "-c", "exit 3"]);
    const json = await wharf.cli("agent-types", "test", "ends", "--json");
    expect(json.code).toBe(1);
    const lines = json.stdout.trim().split("\n");
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ type: "result", ok: false });
    expect(await wharf.cli("agent-types", "test", "nowhere")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("nowhere"),
    });
    await expectNothingLeft();
  });

  test("leaves nothing behind when its server is killed", async () => {
    const sent = await openTest("demo", { prompt: "demo: hang deaf", timeout_s: 1 });
    sent.on("error", () => undefined);
    sent.on("response", (answer) => answer.on("error", () => undefined).resume());
    await eventually(listTestTasks, ["Test of the agent 'demo'"]);
    const { agents } = await wharf.client.call(api.listAgents, { query: {} });
    await wharf.kill();
    await wharf.start();
    await eventually(listTestTasks, [], 150_000);
    for (const { runner_id } of agents.filter(({ runner_id }) => runner_id))
      await eventually(() => findTraces(runner_id!), noTraces, 60_000);
  }, 240_000);
});
