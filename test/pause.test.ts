import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event, type Run, type Task, type TaskInput, taskStreamPath } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { addAskingAgent } from "./support/agents/asking-agent.ts";
import { eventually } from "./support/eventually.ts";
import { readWholeLog } from "./support/log.ts";
import { type ModelServer, startGemini } from "./support/models/index.ts";
import { killProcess, noTraces, findTraces } from "./support/processes.ts";
import { git, createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** Pausing a task's agent, and passing an agent more than text. */
let folder: string;
let wharf: ServerHarness;
let remote: string;
let model: ModelServer;
const modelDelay = 2_500; // ms

beforeAll(async () => {
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  model = await startGemini({ key: "real-key", script: () => ({ text: "the answer", delayMs: modelDelay }) });
  wharf = new ServerHarness(folder, { GEMINI_API_KEY: "real-key", GEMINI_BASE_URL: model.url });
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

const createTask = (fields: Partial<TaskInput> = {}) => wharf.createTask({ repository_url: remote, ...fields });
const getParams = (task: Task) => ({ params: { task_id: task.id } });
const pause = (task: Task) => wharf.client.call(api.pauseTask, getParams(task));
const resume = (task: Task) => wharf.client.call(api.resumeTask, getParams(task));
const runOf = async (task: Task): Promise<Run> =>
  (await wharf.client.call(api.listTaskAgents, getParams(task))).agents[0]!;
const waitForStatus = (task: Task, status: Run["status"]) =>
  eventually(async () => (await runOf(task)).status, status, 20_000);
const hasText = (words: string) => (event: Event) => getAgentText([event]).includes(words);

/**
 * Lists the processes of a run's agent with their states, as this machine's kernel reports them.
 */
function listProcesses({ id }: Run): { pid: number; state: string }[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      if (!/^\d+$/.test(name) || !readFileSync(`/proc/${name}/environ`, "utf8").includes(`WHARF_RUN=${id}\0`))
        return [];
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      return [{ pid: Number(name), state: stat.slice(stat.lastIndexOf(")") + 2)[0] ?? "" }];
    } catch {
      return [];
    }
  });
}

const listProcessStates = (run: Run): string[] => [...new Set(listProcesses(run).map(({ state }) => state))];

/**
 * A turn that counts for three seconds, in the agent and in a command that has left its process
 * group. A command that has not left yet would end together with its group leader.
 */
const counting = [
  "demo: run setsid -f sh -c 'echo left; exec sleep 1000 > /dev/null 2>&1' | head -n 1 > /dev/null",
  "demo: say begun",
  ...Array.from({ length: 12 }, (_, i) => [`demo: sleep 250ms`, `demo: say ${i}`]).flat(),
  "demo: write counted.txt yes",
].join("\n");
const counted = ["begun", ...Array.from({ length: 12 }, (_, i) => String(i)), "wrote counted.txt", ""].join("\n");

/** The first command prints its exit code. */
const isCounted = (events: readonly Event[]) => expect(getAgentText(events)).toContain(counted);

describe("a paused task", () => {
  // G-044 K-057 K-058 X-007 X-028
  test("stops with all its processes, stays in progress and says so, and completes the same turn after the resume", async () => {
    const task = await createTask();
    const turn = await wharf.prompt(task, counting);
    await wharf.until(task.id, hasText("begun"));
    expect(await pause(task)).toMatchObject({ state: "IN_PROGRESS" });
    await waitForStatus(task, "PAUSED");
    expect(listProcessStates(await runOf(task))).toEqual(["T"]);
    await wharf.until(task.id, ({ data }) => data.kind === "notice" && data.message.includes("processes frozen"));
    const before = await readWholeLog(wharf, task);
    const paused = { kind: "state", entity: "run", from: "RUNNING", to: "PAUSED" };
    expect(before.map(({ data }) => data)).toContainEqual(paused);
    await pause(task);
    await sleep(1_500);
    expect(await readWholeLog(wharf, task)).toEqual(before);
    expect(await wharf.task(task.id)).toMatchObject({ state: "IN_PROGRESS" });
    expect(await wharf.client.call(api.taskStatus, getParams(task))).toMatchObject({ current_operation: "paused" });
    const waiting = await wharf.prompt(task, "demo: say meanwhile");

    expect(await resume(task)).toMatchObject({ state: "IN_PROGRESS" });
    await wharf.until(task.id, isPushed);
    const events = await wharf.until(task.id, hasText("meanwhile"));
    isCounted(await readWholeLog(wharf, task, before));
    expect(waiting).toMatchObject({ state: "QUEUED" });
    expect(await runOf(task)).toMatchObject({ status: "RUNNING" });
    expect(events.filter(({ data }) => data.kind === "turn" && data.turn_id === turn.id)).toHaveLength(3);
    expect(git(remote, "show", `${task.shadow_branch}:counted.txt`)).toBe("yes");
    const isOver = ({ data }: Event) => data.kind === "turn" && data.turn_id === waiting.id && data.status === "ended";
    await wharf.until(task.id, isOver);
    await expect(pause(task)).rejects.toMatchObject({ code: "no_turn" });
  });

  // K-065
  test("is paused and resumed over its stream and by the command line", async () => {
    const task = await createTask();
    await wharf.prompt(task, counting);
    await wharf.until(task.id, hasText("begun"));
    const { url, token } = await wharf.client.locate();
    const socket = new WebSocket(`${url.replace("http", "ws")}${taskStreamPath.replace(":task_id", task.id)}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const got: string[] = [];
    socket.on("message", (data: Buffer) => got.push(data.toString()));
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    socket.send(JSON.stringify({ type: "control", action: "pause" }));
    await waitForStatus(task, "PAUSED");
    await eventually(() => got.some((line) => line.includes('"to":"PAUSED"')), true);
    socket.send(JSON.stringify({ type: "control", action: "dance" }));
    await eventually(() => got.some((line) => line.includes('"bad_request"')), true);
    socket.send(JSON.stringify({ type: "control", action: "resume" }));
    await waitForStatus(task, "RUNNING");
    socket.close();

    const id = task.id.slice(0, 8);
    expect((await wharf.cli("task", "pause", id)).stdout).toMatch(/Pausing.*IN_PROGRESS/);
    await waitForStatus(task, "PAUSED");
    expect((await wharf.cli("task", "resume", id)).stdout).toMatch(/Resuming.*IN_PROGRESS/);
    isCounted(await wharf.until(task.id, isPushed));
  });

  test("lets an open model request finish, and sends no other until it is resumed", async () => {
    const task = await createTask();
    const agent_type = await addAskingAgent(wharf);
    await wharf.client.call(api.updateTask, { ...getParams(task), body: { agent_type } });
    await wharf.prompt(task, "demo: say asking\ndemo: model one\ndemo: model two");
    await eventually(() => model.requests.length, 1, 20_000);
    await pause(task);
    await sleep(500);
    expect((await runOf(task)).status).toBe("RUNNING");
    await waitForStatus(task, "PAUSED");
    // The first answer has arrived; a second request, if the agent sent one, waits inside the
    // runner.
    await wharf.until(task.id, hasText("model answered: the answer"), 2_000).catch(() => undefined);
    await sleep(1_000);
    expect(model.requests).toHaveLength(1);
    expect(listProcessStates(await runOf(task))).toEqual(["T"]);
    await resume(task);
    await wharf.until(task.id, ({ data }) => data.kind === "turn" && data.status === "ended");
    expect(getAgentText(await readWholeLog(wharf, task))).toBe(
      "asking\nmodel answered: the answer\nmodel answered: the answer\n",
    );
    expect(model.requests).toHaveLength(2);
  });

  test("stays paused when the server stops, and the next server resumes it", async () => {
    const task = await createTask();
    await wharf.prompt(task, counting);
    await wharf.until(task.id, hasText("begun"));
    await pause(task);
    await waitForStatus(task, "PAUSED");
    const before = await readWholeLog(wharf, task);
    const run = await runOf(task);
    await wharf.kill();
    expect(listProcessStates(run)).toEqual(["T"]);
    await wharf.start();
    await sleep(1_500);
    expect(await runOf(task)).toMatchObject({ id: run.id, status: "PAUSED" });
    expect(listProcessStates(run)).toEqual(["T"]);
    await resume(task);
    await wharf.until(task.id, isPushed);
    isCounted(await readWholeLog(wharf, task, before));
  });

  test("is interrupted when its runner dies, and works again with the next prompt", async () => {
    const task = await createTask();
    await wharf.prompt(task, counting);
    await wharf.until(task.id, hasText("begun"));
    await pause(task);
    await waitForStatus(task, "PAUSED");
    const { runner_id } = await runOf(task);
    const { root } = JSON.parse(readFileSync(join(wharf.data, "runners", runner_id!, "run.json"), "utf8"));
    process.kill(root.pid, "SIGKILL");
    await eventually(async () => (await wharf.task(task.id)).state, "BLOCKED", 20_000);
    await waitForStatus(task, "RUNNING");
    expect(getAgentText(await wharf.turn(task, "demo: say and on"))).toBe("and on\n");
  });

  test("is stopped and deleted like any other, and leaves nothing", async () => {
    const [stopped, deleted] = [await createTask(), await createTask()];
    for (const task of [stopped, deleted]) {
      await wharf.prompt(task, counting);
      await wharf.until(task.id, hasText("begun"));
      await pause(task);
      await waitForStatus(task, "PAUSED");
    }
    const runs = [await runOf(stopped), await runOf(deleted)];
    await wharf.client.call(api.stopTask, { ...getParams(stopped), body: { reason: "enough" } });
    await wharf.client.call(api.deleteTask, getParams(deleted));
    await waitForStatus(stopped, "STOPPED");
    expect(await wharf.task(stopped.id)).toMatchObject({ state: "REVIEW" });
    for (const run of runs) await eventually(() => findTraces(run.runner_id!), noTraces, 30_000);
    expect(getAgentText(await wharf.turn(stopped, "demo: say again"))).toBe("again\n");
  });
});

/** The demo agent, which records all its prompts and has no memory. */
const forgetful = {
  name: "forgetful",
  command: [
    "/bin/sh",
    "-c",
    `tee -a "$HOME/heard" | wharf-demo-agent | sed -u 's/"loadSession":true/"loadSession":false/'`,
  ],
  environment_vars: { WHARF_GATEWAY: "${WHARF_GATEWAY}", WHARF_TOKEN: "${WHARF_TOKEN}" },
};

/** Returns the output of the agent's commands. */
const shown = (events: readonly Event[]): string =>
  events
    .flatMap(({ data }) => (data.kind === "tool_call" ? (data.content ?? []) : []))
    .flatMap((part) => (part.type === "text" ? [part.text] : []))
    .join("\n");

describe("an agent's prompt", () => {
  beforeAll(() => wharf.client.call(api.createAgentType, { body: forgetful }));

  test("contains the attached files: text inline, the others on the agent's disk, byte for byte", async () => {
    const task = await createTask({ agent_type: "forgetful" });
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7) % 256));
    const attachments = [
      { name: "notes.md", mime_type: "text/markdown", data: Buffer.from("the word is heron").toString("base64") },
      { name: "noise.bin", mime_type: "application/octet-stream", data: bytes.toString("base64") },
    ];
    const body = {
      text: `demo: run sha256sum "$HOME"/attachments/*/noise.bin; grep -o 'word is hero[n]' "$HOME/heard"`,
      attachments,
    };
    await wharf.client.call(api.promptTask, { ...getParams(task), body });
    const events = await wharf.until(task.id, ({ data }) => data.kind === "turn" && data.status === "ended");
    expect(shown(events)).toContain(createHash("sha256").update(bytes).digest("hex"));
    expect(shown(events)).toContain("word is heron");
    const told = events.some(
      ({ data }) => data.kind === "notice" && data.message.includes("noise.bin (3000000 bytes)"),
    );
    expect(told).toBe(true);
    const large = { ...attachments[1]!, data: Buffer.alloc(11 * 1024 * 1024).toString("base64") };
    const tooMuch = wharf.client.call(api.promptTask, {
      ...getParams(task),
      body: { text: "x", attachments: [large] },
    });
    await expect(tooMuch).rejects.toMatchObject({ code: "bad_request" });
  });

  test("contains the earlier conversation if the agent was killed and cannot load its session", async () => {
    const task = await createTask({ agent_type: "forgetful" });
    await wharf.turn(task, "demo: say the word is heron");
    await wharf.prompt(task, "demo: say now I crash\ndemo: hang");
    await wharf.until(task.id, hasText("now I crash"));
    for (const { pid } of listProcesses(await runOf(task))) killProcess(pid);
    await eventually(async () => (await wharf.task(task.id)).state, "FAILED", 20_000);
    expect(getAgentText(await wharf.turn(task, "demo: say I am back"))).toBe("I am back\n");
    const summaries = `demo: run grep -o '<earlier-conversatio[n]>.*</earlier' "$HOME/heard"`;
    const told = shown(await wharf.turn(task, summaries));
    expect(told).toContain("> demo: say the word is heron");
    expect(told).toContain("You:\\n> the word is heron");
    // The summary is sent once: the new session knows the rest.
    expect(told.split("<earlier-conversation>")).toHaveLength(2);
  });
});
