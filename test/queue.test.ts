import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, type Event, type Task, type TaskInput } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { wholeLog } from "./support/log.ts";
import { makeRepository } from "./support/repository.ts";
import { isPushed, scratchFolder, spoken, Wharf } from "./support/wharf.ts";

/** A person intervenes while the agent works: prompts wait, turns are cancelled, modes change. */
let folder: string;
let wharf: Wharf;
let remote: string;

beforeAll(async () => {
  folder = scratchFolder();
  remote = makeRepository(join(folder, "remote"));
  wharf = new Wharf(folder);
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const newTask = (fields: Partial<TaskInput> = {}) => wharf.createTask({ repository_url: remote, ...fields });
const at = (task: Task) => ({ params: { task_id: task.id } });
const says = (words: string) => (event: Event) => spoken([event]).includes(words);
const ends = (turnId: string) => (event: Event) =>
  event.data.kind === "turn" && event.data.turn_id === turnId && /ended|cancelled/.test(event.data.status);
const turnsOf = async (task: Task) => (await wharf.client.call(api.listTaskTurns, at(task))).turns;
const slow = "demo: say begun\ndemo: sleep 1500ms\ndemo: say one";

describe("prompts during a turn", () => {
  test("are given one after the other, in one run and one conversation, also when the server dies meanwhile", async () => {
    const task = await newTask();
    const first = await wharf.prompt(task, slow);
    await wharf.until(task.id, says("begun"));
    const second = await wharf.prompt(task, "demo: say two");
    const third = await wharf.prompt(task, "demo: write three.txt three\ndemo: say three");
    expect((await turnsOf(task)).map(({ state }) => state)).toEqual(["RUNNING", "QUEUED", "QUEUED"]);
    await wharf.kill();
    await wharf.start();
    const events = await wharf.until(task.id, ends(third.id));
    const starts = events.flatMap(({ data }) =>
      data.kind === "turn" && data.status === "started" ? [data.turn_id] : [],
    );
    expect(starts).toEqual([first.id, second.id, third.id]);
    expect(spoken(await wholeLog(wharf, task))).toMatch(/begun.*one.*two.*three/s);
    expect(new Set((await turnsOf(task)).map(({ run_id }) => run_id)).size).toBe(1);
    const states = events.flatMap(({ data }) => (data.kind === "state" && data.entity === "task" ? [data.to] : []));
    expect(states).toEqual(["TODO", "IN_PROGRESS", "REVIEW"]);
    await wharf.until(task.id, isPushed);
  });

  test("are taken back, and the turn at work is ended, by the command line; the next one goes on", async () => {
    const task = await newTask();
    const first = await wharf.prompt(task, "demo: say begun\ndemo: sleep 60s");
    await wharf.until(task.id, says("begun"));
    const queued = await wharf.cli("task", "prompt", task.id, "demo: say never");
    expect(queued.stdout).toContain("queued behind 1 other");
    const third = await wharf.prompt(task, "demo: say last");
    expect((await wharf.cli("task", "cancel-turn", task.id, "2")).stdout).toContain("is cancelled");
    expect((await wharf.cli("task", "cancel-turn", task.id)).stdout).toContain("asked to end its turn");
    await wharf.until(task.id, ends(third.id));
    const turns = await turnsOf(task);
    expect(turns.map(({ state }) => state)).toEqual(["CANCELLED", "CANCELLED", "ENDED"]);
    expect(turns[0]).toMatchObject({ id: first.id, stop_reason: "cancelled" });
    expect(spoken(await wholeLog(wharf, task))).not.toContain("never");
    expect((await wharf.cli("task", "cancel-turn", task.id)).code).toBe(2);
  });
});

describe("an agent's mode", () => {
  test("is chosen for the task before it begins, and in the midst of a turn; what it does not offer is told and forgotten", async () => {
    const task = await newTask({ agent_mode: "allow-edits", permission_policy: "ask" });
    const script = [
      "ask edit a file",
      "say edited",
      "run until test -e go; do sleep 0.1; done",
      "ask a command",
      "say done",
    ];
    await wharf.prompt(task, script.map((line) => `demo: ${line}`).join("\n"));
    await wharf.until(task.id, says("edited"));
    expect((await wharf.cli("task", "mode", task.id)).stdout).toMatch(/^\* allow-edits/m);
    expect((await wharf.cli("task", "mode", task.id, "allow-all")).code).toBe(0);
    await wharf.until(task.id, ({ data }) => data.kind === "agent_info" && data["currentModeId"] === "allow-all");
    for (const runner of wharf.runnerIds()) writeFileSync(join(wharf.data, "runners", runner, "workspace", "go"), "");
    const events = await wharf.until(task.id, says("done"));
    expect(events.filter(({ data }) => data.kind === "permission")).toEqual([]);
    expect(await wharf.task(task.id)).toMatchObject({ agent_mode: "allow-all" });

    await wharf.client.call(api.setTaskMode, { ...at(task), body: { mode_id: "chaos" } });
    const stays = ({ data }: Event) => data.kind === "notice" && data.message.includes("keeps its current mode");
    await wharf.until(task.id, stays);
    expect(await wharf.task(task.id)).not.toHaveProperty("agent_mode");
    await wharf.client.call(api.setTaskModel, { ...at(task), body: { model_id: "large" } });
    await wharf.until(
      task.id,
      ({ data }) => data.kind === "notice" && data.message.includes("keeps its current model"),
    );
  });
});

describe("files that go with a prompt", () => {
  test("are attached on the command line, and lie where the agent is told of them", async () => {
    const task = await newTask();
    const file = join(folder, "notes.txt");
    writeFileSync(file, "remember the milk");
    expect((await wharf.cli("task", "prompt", task.id, "demo: say hello", "--attach", file, "--follow")).code).toBe(0);
    const told = (await wholeLog(wharf, task)).flatMap(({ data }) => (data.kind === "notice" ? [data.message] : []));
    expect(told).toContain("Attachments: notes.txt (17 bytes).");
    const missing = await wharf.cli("task", "prompt", task.id, "x", "--attach", join(folder, "nowhere.txt"));
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain("--attach: expected a file");
  });
});
