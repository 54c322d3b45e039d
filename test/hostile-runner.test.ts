import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event, type Run, type Task } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { HostileKit } from "./support/hostile/kit.ts";
import { getMemory, noTraces, getPeakMemory, findTraces } from "./support/processes.ts";
import { createRepository } from "./support/repository.ts";
import { configurableServer, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/**
 * The agent may control the daemon. For any behaviour on its wire, only its own run ends, with a
 * reason; the server stays small, and other tasks continue undisturbed.
 */
const times = { connect: 4_000, clone: 2_000, agentStart: 5_000, retryDelay: 100 }; // ms
/** Some wires end only because of their silence, twice. */
const timeoutMs = 90_000; // ms
/** A single wire may make the server hold 128 MiB of unread bytes, and one answer 64 MiB. */
const maxGrowth = 400 * 2 ** 20; // bytes

let folder: string;
let wharf: ServerHarness;
let kit: HostileKit;
let remote: string;
let bystander: Task;
let before: { memory: number; turn: number };
const watching = new AbortController();
let watch: Promise<number[]>;

beforeAll(async () => {
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  kit = await HostileKit.build(join(folder, "kit"));
  wharf = new ServerHarness(
    folder,
    { WHARF_MAX_RUNS: "40", WHARF_TEST_KIT: kit.folder, WHARF_TEST_TIMES: JSON.stringify(times) },
    configurableServer,
  );
  await wharf.start();
  bystander = await wharf.createTask({ repository_url: remote });
  await wharf.turn(bystander, "demo: say hello");
  const quiet = [];
  for (let i = 0; i < 10; i++) quiet.push(await measureTurn());
  before = { memory: getMemory(wharf.pid!), turn: getMedian(quiet) };
  watch = watchBystander();
});

afterAll(async () => {
  watching.abort();
  await watch;
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function measureTurn(): Promise<number> {
  const began = performance.now();
  expect(getAgentText(await wharf.turn(bystander, "demo: say still here"))).toBe("still here\n");
  return performance.now() - began;
}

/** Times the turns of an honest task, one after the other, while the others are hostile. */
async function watchBystander(): Promise<number[]> {
  const turns: number[] = [];
  while (!watching.signal.aborted) {
    turns.push(await measureTurn());
    await sleep(100);
  }
  return turns;
}

const getMedian = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const listRuns = async (task: Task): Promise<Run[]> =>
  (await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } })).agents;

/** Runners get their mode one at a time. */
let turnstile: Promise<unknown> = Promise.resolve();
function startHostile(mode: string): Promise<{ task: Task; runner: string }> {
  const started = turnstile.then(async () => {
    kit.setMode(mode);
    const task = await wharf.createTask({ title: mode, repository_url: remote });
    await wharf.prompt(task, "demo: say never");
    for (;;) {
      const [run] = await listRuns(task);
      if (run?.runner_id && existsSync(join(wharf.data, "runners", run.runner_id, "state", "mode")))
        return { task, runner: run.runner_id };
      await sleep(20);
    }
  });
  turnstile = started.catch(() => undefined).then(() => kit.setMode("good"));
  return started;
}

async function failed(task: Task): Promise<{ run: Run; events: Event[] }> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const [run] = await listRuns(task);
    const events = await wharf.events(task.id);
    if (run?.status === "FAILED") return { run, events };
    if (Date.now() > deadline)
      throw new Error(
        `it did not fail:\n${events
          .slice(-12)
          .map(({ data }) => JSON.stringify(data).slice(0, 300))
          .join("\n")}`,
      );
    await sleep(100);
  }
}

const hostile = ["runner_hostile"];
const failing = ["runner_failed"];
const useless = ["runner_lost", "runner_timeout"];

describe.concurrent("a runner whose daemon sends", () => {
  test.each([
    ["garbage for a handshake", hostile, /does not speak the wire's protocol/],
    ["silence for a handshake", useless, /./],
    ["a wrong key", hostile, /does not know the runner's key/],
    ["a frame of 1 GB", hostile, /frame/],
    ["a stream that was never opened", hostile, /stream 4243/],
    ["100,000 streams", hostile, /too many streams/],
    ["ignored windows", hostile, /./],
    ["endless pings", hostile, /too many pings/],
    // Either the wire detects the silence, or the first call on the next wire times out: the last
    // of three attempts decides.
    ["half frames once it has its prompt", useless, /silent inside a frame|its daemon does not answer/],
    ["bytes that are no frames", hostile, /./],
    ["an answer of 500 MB", hostile, /more than \d+ bytes/],
    ["an answer that is no HTTP", hostile, /not HTTP/],
    ["an answer of another kind", hostile, /not valid/],
    ["an answer that is JSON's worst", hostile, /not valid/],
    ["an older protocol", ["runner_incompatible"], /and protocol 0; this server needs protocol 1/],
    ["a session id of 20 MB", hostile, /more than \d+ bytes/],
    ["an error that no database takes", failing, /^a b\uFFFD \[2J$/],
    ["an error that asks for a login", failing, /^log in$/],
    ["no answer to a call", useless, /clone/],
    ["a journal line without an end", hostile, /line/],
    ["a journal of no records", hostile, /journal record is not valid/],
    ["a journal that is no JSON", hostile, /not JSON/],
    ["a journal that ends at once", useless, /its journal ended/],
    ["a gap in its journal", hostile, /record 3 came instead of 2/],
    ["a record twice", hostile, /record 1 came instead of 2/],
    ["a claim that its task is done", hostile, /'state', which only the server writes/],
    ["words it puts into a person's mouth", hostile, /'message', which only the server writes/],
    ["a measurement only the server makes", hostile, /'usage', which only the server writes/],
  ])("%s is disconnected with a reason and never used again", async (mode, codes, reason) => {
    const { task, runner } = await startHostile(mode);
    const { run, events } = await failed(task);
    expect(codes).toContain(run.error_code);
    expect(run.error_message).toMatch(reason);
    expect(await wharf.task(task.id)).toMatchObject({ state: "FAILED" });
    const reported = events.flatMap(({ data }) => (data.kind === "failure" ? [data] : []));
    expect(reported.at(-1)).toMatchObject({
      code: run.error_code,
      message: run.error_message,
      next: expect.stringMatching(/./),
    });
    expect(JSON.stringify(events)).not.toContain("evil.example");
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    expect(events.some(({ data }) => data.kind === "message" && data.text === "You may.")).toBe(false);
    await eventually(() => findTraces(runner), noTraces);
  });

  test("a turn that never ends can be stopped", async () => {
    const { task, runner } = await startHostile("a turn that never ends");
    await wharf.until(task.id, ({ data }) => data.kind === "state" && data.entity === "run" && data.to === "RUNNING");
    await sleep(500);
    await wharf.client.call(api.stopTask, { params: { task_id: task.id }, body: { reason: "enough" } });
    await eventually(async () => (await listRuns(task))[0]?.status, "STOPPED", 20_000);
    await eventually(() => findTraces(runner), noTraces);
  });
});

test("a task that had a hostile runner gets another one", async () => {
  const { task, runner } = await startHostile("a gap in its journal");
  await failed(task);
  await turnstile;
  expect(getAgentText(await wharf.turn(task, "demo: say honest work"))).toContain("honest work");
  expect((await listRuns(task))[0]?.runner_id).not.toBe(runner);
});

test("a neighbour's turns take their usual time throughout, and the server stays small", async () => {
  watching.abort();
  const turns = await watch;
  const growth = getPeakMemory(wharf.pid!) - before.memory;
  console.log(
    `a neighbour's turn: ${before.turn.toFixed(0)} ms before, ${getMedian(turns).toFixed(0)} ms meanwhile (median of ${turns.length}), ${Math.max(...turns).toFixed(0)} ms at worst; memory grew by ${(growth / 2 ** 20).toFixed(0)} MiB`,
  );
  expect(turns.length).toBeGreaterThan(10);
  expect(getMedian(turns)).toBeLessThan(before.turn * 5 + 500);
  expect(growth).toBeLessThan(maxGrowth);
  const events = await wharf.events(bystander.id);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
});
