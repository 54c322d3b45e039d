import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, type Event, type Task, type TaskInput } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readWholeLog } from "./support/log.ts";
import { createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** A person intervenes while the agent works: prompts wait, turns are cancelled, modes change. */
let folder: string;
let wharf: ServerHarness;
let remote: string;

beforeAll(async () => {
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  wharf = new ServerHarness(folder);
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const createTask = (fields: Partial<TaskInput> = {}) => wharf.createTask({ repository_url: remote, ...fields });
const getParams = (task: Task) => ({ params: { task_id: task.id } });
const hasText = (words: string) => (event: Event) => getAgentText([event]).includes(words);
const isEndOf = (turnId: string) => (event: Event) =>
  event.data.kind === "turn" && event.data.turn_id === turnId && /ended|cancelled/.test(event.data.status);
const listTurns = async (task: Task) => (await wharf.client.call(api.listTaskTurns, getParams(task))).turns;
const slow = "demo: say begun\ndemo: sleep 1500ms\ndemo: say one";

describe("prompts during a turn", () => {
  test("run one after the other, in one run and one conversation, also when the server dies meanwhile", async () => {
    const task = await createTask();
    const first = await wharf.prompt(task, slow);
    await wharf.until(task.id, hasText("begun"));
    const second = await wharf.prompt(task, "demo: say two");
    const third = await wharf.prompt(task, "demo: write three.txt three\ndemo: say three");
    expect((await listTurns(task)).map(({ state }) => state)).toEqual(["RUNNING", "QUEUED", "QUEUED"]);
    await wharf.kill();
    await wharf.start();
    const events = await wharf.until(task.id, isEndOf(third.id));
    const starts = events.flatMap(({ data }) =>
      data.kind === "turn" && data.status === "started" ? [data.turn_id] : [],
    );
    expect(starts).toEqual([first.id, second.id, third.id]);
    expect(getAgentText(await readWholeLog(wharf, task))).toMatch(/begun.*one.*two.*three/s);
    expect(new Set((await listTurns(task)).map(({ run_id }) => run_id)).size).toBe(1);
    const states = events.flatMap(({ data }) => (data.kind === "state" && data.entity === "task" ? [data.to] : []));
    expect(states).toEqual(["TODO", "IN_PROGRESS", "REVIEW"]);
    await wharf.until(task.id, isPushed);
  });

  test("are withdrawn, and the current turn is cancelled, by the command line; the next one runs", async () => {
    const task = await createTask();
    const first = await wharf.prompt(task, "demo: say begun\ndemo: sleep 60s");
    await wharf.until(task.id, hasText("begun"));
    const queued = await wharf.cli("task", "prompt", task.id, "demo: say never");
    expect(queued.stdout).toContain("queued behind 1 other");
    const third = await wharf.prompt(task, "demo: say last");
    expect((await wharf.cli("task", "cancel-turn", task.id, "2")).stdout).toContain("is cancelled");
    expect((await wharf.cli("task", "cancel-turn", task.id)).stdout).toContain("asked to end its turn");
    await wharf.until(task.id, isEndOf(third.id));
    const turns = await listTurns(task);
    expect(turns.map(({ state }) => state)).toEqual(["CANCELLED", "CANCELLED", "ENDED"]);
    expect(turns[0]).toMatchObject({ id: first.id, stop_reason: "cancelled" });
    expect(getAgentText(await readWholeLog(wharf, task))).not.toContain("never");
    expect((await wharf.cli("task", "cancel-turn", task.id)).code).toBe(2);
  });
});

describe("an agent's mode", () => {
  test("is set before the task starts and during a turn; an unsupported mode is reported and forgotten", async () => {
    const task = await createTask({ agent_mode: "allow-edits", permission_policy: "ask" });
    const script = [
      "ask edit a file",
      "say edited",
      "run until test -e go; do sleep 0.1; done",
      "ask a command",
      "say done",
    ];
    await wharf.prompt(task, script.map((line) => `demo: ${line}`).join("\n"));
    await wharf.until(task.id, hasText("edited"));
    expect((await wharf.cli("task", "mode", task.id)).stdout).toMatch(/^\* allow-edits/m);
    expect((await wharf.cli("task", "mode", task.id, "allow-all")).code).toBe(0);
    await wharf.until(task.id, ({ data }) => data.kind === "agent_info" && data["currentModeId"] === "allow-all");
    for (const runner of wharf.runnerIds()) writeFileSync(join(wharf.data, "runners", runner, "workspace", "go"), "");
    const events = await wharf.until(task.id, hasText("done"));
    expect(events.filter(({ data }) => data.kind === "permission")).toEqual([]);
    expect(await wharf.task(task.id)).toMatchObject({ agent_mode: "allow-all" });

    await wharf.client.call(api.setTaskMode, { ...getParams(task), body: { mode_id: "chaos" } });
    const stays = ({ data }: Event) => data.kind === "notice" && data.message.includes("keeps its current mode");
    await wharf.until(task.id, stays);
    expect(await wharf.task(task.id)).not.toHaveProperty("agent_mode");
    await wharf.client.call(api.setTaskModel, { ...getParams(task), body: { model_id: "large" } });
    await wharf.until(
      task.id,
      ({ data }) => data.kind === "notice" && data.message.includes("keeps its current model"),
    );
  });
});

describe("files attached to a prompt", () => {
  test("come from the command line, and are at the paths that the agent gets", async () => {
    const task = await createTask();
    const file = join(folder, "notes.txt");
    writeFileSync(file, "remember the milk");
    expect((await wharf.cli("task", "prompt", task.id, "demo: say hello", "--attach", file, "--follow")).code).toBe(0);
    const told = (await readWholeLog(wharf, task)).flatMap(({ data }) =>
      data.kind === "notice" ? [data.message] : [],
    );
    expect(told).toContain("Attachments: notes.txt (17 bytes).");
    const missing = await wharf.cli("task", "prompt", task.id, "x", "--attach", join(folder, "nowhere.txt"));
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain("--attach: expected a file");
  });
});
