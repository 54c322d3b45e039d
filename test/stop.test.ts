import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { api, type Event, type Run, type Task } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { findTraces, noTraces } from "./support/processes.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** A person stops an agent that does not end by itself, gracefully or by force. */
let folder: string;
let wharf: ServerHarness;
let remote: string;

/** An agent that never ends its turn, and says goodbye only if it is asked to end. */
const stubborn = {
  name: "stubborn",
  protocol: "text" as const,
  command: [
    "/bin/sh",
    "-c",
    `case "$WHARF_PROMPT" in greet) echo hello; exit 0 ;; esac
     trap 'echo goodbye > goodbye; exit 0' TERM
     echo begun
     while :; do sleep 0.1; done`,
  ],
};

beforeAll(async () => {
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  wharf = new ServerHarness(folder);
  await wharf.start();
  await wharf.client.call(api.createAgentType, { body: stubborn });
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const getRun = async (task: Task): Promise<Run> =>
  (await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } })).agents[0]!;
const waitForStop = (task: Task) => eventually(async () => (await getRun(task)).status, "STOPPED", 20_000);
const hasText = (words: string) => (event: Event) => getAgentText([event]).includes(words);
const getFolder = (run: Run) => join(wharf.data, "runners", run.runner_id!);
const saidGoodbye = (run: Run) => existsSync(join(getFolder(run), "workspace", "goodbye"));

async function startStubbornTask(): Promise<{ task: Task; run: Run }> {
  const task = await wharf.createTask({ repository_url: remote, agent_type: "stubborn" });
  await wharf.prompt(task, "go on");
  await wharf.until(task.id, hasText("begun"));
  return { task, run: await getRun(task) };
}

describe("a stop", () => {
  // K-056
  test("asks the agent to end, and with force kills it without asking", async () => {
    const asked = await startStubbornTask();
    const killed = await startStubbornTask();
    await wharf.client.call(api.stopTask, { params: { task_id: asked.task.id }, body: { reason: "enough" } });
    const stopped = await wharf.cli("task", "stop", killed.task.id, "--force", "--reason", "at once");
    expect(stopped).toMatchObject({ code: 0, stdout: expect.stringMatching(/Killing the agent.*REVIEW/) });
    for (const { task } of [asked, killed]) await waitForStop(task);
    for (const { run } of [asked, killed]) await eventually(() => findTraces(run.runner_id!), noTraces, 30_000);
    expect([saidGoodbye(asked.run), saidGoodbye(killed.run)]).toEqual([true, false]);
    const reasons = (await wharf.events(killed.task.id)).flatMap(({ data }) =>
      data.kind === "state" && data.to === "REVIEW" ? [data.reason] : [],
    );
    expect(reasons).toEqual(["at once"]);
    expect(getAgentText(await wharf.turn(killed.task, "greet"))).toBe("hello\n");
  });

  // K-056
  test("with force ends also a runner that does not answer, and keeps its disk", async () => {
    const { task, run } = await startStubbornTask();
    const { daemon } = JSON.parse(readFileSync(join(getFolder(run), "run.json"), "utf8"));
    process.kill(daemon.pid, "SIGSTOP");
    await wharf.client.call(api.stopTask, { params: { task_id: task.id }, body: { force: true } });
    await waitForStop(task);
    await eventually(() => findTraces(run.runner_id!), noTraces, 25_000);
    expect(saidGoodbye(run)).toBe(false);
    expect(getAgentText(await wharf.turn(task, "greet"))).toBe("hello\n");
  });

  // K-046
  test("of a run stops no later run of its task", async () => {
    const { task, run } = await startStubbornTask();
    await wharf.client.call(api.stopAgent, { params: { agent_id: run.id }, body: { force: true } });
    await waitForStop(task);
    await wharf.prompt(task, "go on");
    await wharf.until(task.id, ({ agent_id, data }) => agent_id !== run.id && data.kind === "phase");
    const again = wharf.client.call(api.stopAgent, { params: { agent_id: run.id }, body: {} });
    await expect(again).rejects.toMatchObject({ code: "no_run" });
    expect(await getRun(task)).not.toMatchObject({ status: "STOPPED" });
    await wharf.client.call(api.stopTask, { params: { task_id: task.id }, body: { force: true } });
    await waitForStop(task);
  });
});
