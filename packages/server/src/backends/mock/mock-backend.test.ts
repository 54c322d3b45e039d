import { daemonApi, searchApi, WharfError } from "@wharf/contract";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentOf, dial, isOver, promptOf, ran, spec, until } from "./fixtures.ts";
import { type Fault, farAway, MockBackend } from "./index.ts";

let backend: MockBackend;
beforeEach(() => {
  backend = new MockBackend();
});
afterEach(() => backend.close());

async function runner(faults: readonly Fault[] = []) {
  const made = spec();
  await backend.create(made);
  if (faults.length > 0) backend.fault(made.id, faults);
  return made;
}

/** The turn may break the wire before the answer to its prompt is through. */
function mayBeLost(error: unknown): void {
  expect(error).toMatchObject({ code: "runner_unavailable" });
}

describe("the simulation", () => {
  // S-012
  test("is 100 ms and 10 % away for tools, 500 ms and 5 % for workspaces", () => {
    expect(farAway({ failures: true })).toEqual({
      tool: { latencyMs: 100, failureRate: 0.1 },
      workspace: { latencyMs: 500, failureRate: 0.05 },
    });
    expect(farAway({ failures: false }).tool.failureRate).toBe(0);
  });

  // S-009, S-010, S-011
  test("lets operations take their time and fail as often as it says, and never the run's own plumbing", async () => {
    let chance = 0.99;
    const simulation = { tool: { latencyMs: 40, failureRate: 0.1 }, workspace: { latencyMs: 60, failureRate: 0.05 } };
    await using slow = Object.assign(new MockBackend({ simulation, random: () => chance }), {
      [Symbol.asyncDispose]: () => slow.close(),
    });
    const made = spec();
    let began = performance.now();
    await slow.create(made);
    expect(performance.now() - began).toBeGreaterThan(55);
    using line = await dial(slow, made.id);
    began = performance.now();
    await ran(line.client, "true");
    expect(performance.now() - began).toBeGreaterThan(38);
    chance = 0.07;
    await expect(ran(line.client, "true")).rejects.toMatchObject({ code: "runner_failed" });
    await slow.stop(made.id);
    chance = 0.01;
    await expect(slow.create(made)).rejects.toThrow(WharfError);
    chance = 0.99;
    await slow.create(made);
    chance = 0;
    using again = await dial(slow, made.id, 2);
    await expect(again.client.call(daemonApi.health, {})).resolves.toMatchObject({ runner_id: made.id });
  });
});

describe("a fault", () => {
  test("kills the daemon before the step it names; the turn is interrupted once, and its key stays taken", async () => {
    const made = await runner([{ kind: "die", at_step: 4 }]);
    const turn = promptOf("r", "t", "demo: say one\ndemo: say two\ndemo: say three");
    using first = await dial(backend, made.id);
    await first.client.call(daemonApi.startAgent, agentOf("r"));
    await first.client.call(daemonApi.prompt, turn).catch(mayBeLost);
    await first.closed;
    expect(await Array.fromAsync(backend.list())).toEqual([{ id: made.id, state: "stopped" }]);
    await expect(backend.dial(made.id)).rejects.toMatchObject({ code: "runner_unavailable" });
    await backend.create(made);
    using second = await dial(backend, made.id, 2);
    const records = await until(second.client, isOver);
    const said = records.flatMap(({ data }) => (data.kind === "message" ? [data.text] : []));
    expect(said).not.toContain("two\n");
    expect(records.at(-1)?.data).toMatchObject({ kind: "turn", turn_id: "t", status: "interrupted" });
    await expect(second.client.call(daemonApi.prompt, turn)).resolves.toEqual({ duplicate: true });
    await expect(second.client.call(daemonApi.turn, { params: { turn_id: "t" } })).resolves.toMatchObject({
      state: "INTERRUPTED",
    });
  });

  test("partitions the runner while its agent works on", async () => {
    const made = await runner([{ kind: "partition", at_step: 3, for_ms: 150 }]);
    using first = await dial(backend, made.id);
    await first.client.call(daemonApi.startAgent, agentOf("r"));
    await first.client.call(daemonApi.prompt, promptOf("r", "t", "demo: say one\ndemo: say two")).catch(mayBeLost);
    await first.closed;
    const began = performance.now();
    using second = await dial(backend, made.id, 2);
    expect(performance.now() - began).toBeGreaterThan(100);
    const records = await until(second.client, isOver);
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
    expect(records.filter(({ data }) => data.kind === "message")).toHaveLength(2);
  });

  test("delivers a prompt twice, and the turn is run once", async () => {
    const made = await runner([{ kind: "duplicate", route: "prompt" }]);
    using line = await dial(backend, made.id);
    await line.client.call(daemonApi.startAgent, agentOf("r"));
    const answer = await line.client.call(daemonApi.prompt, promptOf("r", "t", "demo: say once"));
    expect(answer).toEqual({ duplicate: false });
    const records = await until(line.client, isOver);
    expect(records.filter(({ data }) => data.kind === "message")).toHaveLength(1);
  });

  test("delivers each record of the journal twice, as only a hostile daemon does", async () => {
    const made = await runner([{ kind: "duplicate", route: "journal" }]);
    using line = await dial(backend, made.id);
    await line.client.call(daemonApi.startAgent, agentOf("r"));
    const records = await Array.fromAsync(line.client.stream(daemonApi.journal, { query: { after: 0 } }));
    expect(records).toHaveLength(2);
    expect(records[0]).toEqual(records[1]);
  });

  test("makes the disk slow, and a daemon that dies meanwhile loses what was not written", async () => {
    const made = await runner([{ kind: "slow_disk", ms: 80 }]);
    using line = await dial(backend, made.id);
    await line.client.call(daemonApi.startAgent, agentOf("r"));
    expect((await line.client.call(daemonApi.health, {})).journal.last).toBe(0);
    await until(line.client, ({ kind }) => kind === "session");
    await line.client.call(daemonApi.prompt, promptOf("r", "t", "demo: say lost"));
    backend.kill(made.id);
    await backend.create(made);
    using next = await dial(backend, made.id, 2);
    const kinds = (await until(next.client, isOver)).map(({ data }) => data.kind);
    expect(kinds).toEqual(["session", "turn"]);
  });

  test("may be asked for in a prompt", async () => {
    const made = await runner();
    using line = await dial(backend, made.id);
    await line.client.call(daemonApi.startAgent, agentOf("r"));
    const turn = promptOf("r", "t", "demo: say one\ndemo: die\ndemo: say two");
    await line.client.call(daemonApi.prompt, turn).catch(mayBeLost);
    await line.closed;
    expect((await Array.fromAsync(backend.list()))[0]?.state).toBe("stopped");
  });
});

test("any prompt gets a play with a plan, a thought, a question, a file and words", async () => {
  const made = await runner();
  using line = await dial(backend, made.id);
  await line.client.call(daemonApi.startAgent, agentOf("r", "ask"));
  await line.client.call(daemonApi.prompt, promptOf("r", "t", "Make it blue"));
  const asked = await until(line.client, ({ kind }) => kind === "permission");
  const { data } = asked.at(-1)!;
  if (data.kind !== "permission") throw new Error("it did not ask");
  const params = { permission_id: data.permission_id };
  await line.client.call(daemonApi.answerPermission, { params, body: { option_id: "allow", by: "me" } });
  const records = await until(line.client, isOver);
  const kinds = new Set(records.map((record) => record.data.kind));
  for (const kind of ["session", "turn", "plan", "thought", "tool_call", "permission", "message"])
    expect(kinds).toContain(kind);
  expect(records.at(-1)?.data).toMatchObject({ status: "ended", stop_reason: "end_turn" });
  expect((await ran(line.client, "cat WHARF-MOCK.md")).stdout).toContain("- Make it blue");
});

test("an expression that never comes to an end holds up nobody for long", async () => {
  const made = await runner();
  using line = await dial(backend, made.id);
  await ran(line.client, `echo ${"a".repeat(40)}b > f`);
  const body = { pattern: "(a+)+$", mode: "regex" as const };
  const began = performance.now();
  const lines = await Array.fromAsync(line.client.stream(searchApi.searchContents, { body }));
  expect(lines).toEqual([{ type: "end", matches: 0, files: 0, truncated: "time" }]);
  expect(performance.now() - began).toBeLessThan(5_000);
});

// S-013
test("closing leaves nothing: no timer, no handle, no runner", async () => {
  const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const made = await runner();
  {
    using line = await dial(backend, made.id);
    await line.client.call(daemonApi.startAgent, agentOf("r"));
    await line.client.call(daemonApi.prompt, promptOf("r", "t", "demo: hang"));
  }
  await backend.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await Array.fromAsync(backend.list())).toEqual([]);
  const after = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  expect(after).toBeLessThanOrEqual(before);
});
