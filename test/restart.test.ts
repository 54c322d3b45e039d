import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event, type Run, type Task, type TaskInput, type Turn } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { readWholeLog } from "./support/log.ts";
import { noTraces, findTraces } from "./support/processes.ts";
import { git, createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** The guarantees for people when the server, or a runner, ends while agents work. */
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
const listRuns = async (task: Task): Promise<Run[]> =>
  (await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } })).agents;
const listTurns = async (task: Task): Promise<Turn[]> =>
  (await wharf.client.call(api.listTaskTurns, { params: { task_id: task.id } })).turns;
const waitForState = (task: Task, state: Task["state"]) =>
  eventually(async () => (await wharf.task(task.id)).state, state, 20_000);
const isAgentText = ({ data }: Event) => data.kind === "message" && data.role === "agent";
const getRunnerId = async (task: Task): Promise<string> => (await listRuns(task))[0]!.runner_id!;

interface Launched {
  readonly root: { readonly pid: number };
  readonly daemon: { readonly pid: number };
}
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const readLaunchRecord = (runner: string): Launched =>
  JSON.parse(readFileSync(join(wharf.data, "runners", runner, "run.json"), "utf8"));

describe("Ctrl-C on the server", () => {
  // G-048 G-074
  test("leaves agents running, and the next start adopts them: the turn continues and nothing is lost", async () => {
    const steps = Array.from({ length: 12 }, (_, i) => `step ${i + 1}`);
    const task = await createTask();
    await wharf.prompt(
      task,
      [
        ...steps.flatMap((step) => [`demo: say ${step}`, "demo: sleep 250ms"]),
        "demo: write done.txt yes",
        "demo: say done",
      ].join("\n"),
    );
    await wharf.until(task.id, isAgentText);
    const before = await readWholeLog(wharf, task);
    const runner = await getRunnerId(task);
    await wharf.interrupt();
    expect(findTraces(join(wharf.data, "postgres")).processes).toEqual([]);
    expect(findTraces(runner).processes.length).toBeGreaterThan(0);
    await sleep(1_000);
    await wharf.start();

    const events = await wharf.until(task.id, isPushed);
    expect(getAgentText(events)).toBe([...steps, "wrote done.txt", "done", ""].join("\n"));
    await readWholeLog(wharf, task, before);
    expect(await getRunnerId(task)).toBe(runner);
    expect(await listTurns(task)).toMatchObject([{ state: "ENDED", stop_reason: "end_turn" }]);
    expect((await listRuns(task)).map(({ status }) => status)).toEqual(["RUNNING"]);
    expect(git(remote, "show", `${task.shadow_branch}:done.txt`)).toBe("yes");
  });

  test("reports a turn that ended without a server at the next start, and sends a new prompt to an agent once", async () => {
    const ending = await createTask();
    await wharf.prompt(ending, "demo: say soon\ndemo: sleep 600ms\ndemo: say over\ndemo: write late.txt yes");
    await wharf.until(ending.id, isAgentText);
    const queued = await createTask();
    const turn = await wharf.prompt(queued, "demo: say given once");
    await wharf.interrupt();
    await sleep(1_200);
    await wharf.start();
    expect(getAgentText(await wharf.until(ending.id, isPushed))).toBe("soon\nover\nwrote late.txt\n");
    await waitForState(ending, "REVIEW");
    await waitForState(queued, "REVIEW");
    expect(getAgentText(await readWholeLog(wharf, queued))).toBe("given once\n");
    expect(await listTurns(queued)).toMatchObject([{ id: turn.id, state: "ENDED" }]);
  });
});

describe("a question of the agent", () => {
  // BLOCKED is a task whose agent waits for a person
  test("outlives the server, and the agent continues after the answer to the next server", async () => {
    const task = await createTask({ permission_policy: "ask" });
    await wharf.prompt(
      task,
      "demo: say before\ndemo: ask remove the build folder\ndemo: ask edit the readme\ndemo: say after",
    );
    await waitForState(task, "BLOCKED");
    const before = await readWholeLog(wharf, task);
    await wharf.interrupt();
    await wharf.start();
    expect(await wharf.task(task.id)).toMatchObject({ state: "BLOCKED" });

    const asked = (events: readonly Event[]) =>
      events.flatMap(({ data }) => (data.kind === "permission" && data.status === "asked" ? [data] : []));
    const [first] = asked(await readWholeLog(wharf, task, before));
    expect(first).toMatchObject({ title: "remove the build folder", expires_at: expect.any(String) });
    const answer = (permission_id: string, option_id?: string) =>
      wharf.client.call(api.answerPermission, {
        params: { task_id: task.id, permission_id },
        body: { ...(option_id && { option_id }) },
      });
    const allow = first!.options!.find(({ option_kind }) => option_kind === "allow_once")!;
    await answer(first!.permission_id, allow.option_id);
    await wharf.until(
      task.id,
      ({ data }) =>
        data.kind === "permission" && data.status === "asked" && data.permission_id !== first!.permission_id,
    );
    await expect(answer(first!.permission_id, allow.option_id)).rejects.toMatchObject({
      code: "permission_request_closed",
    });
    await expect(answer("no-such-question")).rejects.toMatchObject({ code: "permission_request_not_found" });
    const second = asked(await readWholeLog(wharf, task, before))[1]!;
    await answer(second.permission_id);

    await waitForState(task, "REVIEW");
    expect(getAgentText(await readWholeLog(wharf, task, before))).toBe(
      "before\nanswer: allowed\nanswer: rejected\nafter\n",
    );
    const states = (await readWholeLog(wharf, task)).flatMap(({ data }) =>
      data.kind === "state" && data.entity === "task" ? [data.to] : [],
    );
    expect(states).toEqual(["TODO", "IN_PROGRESS", "BLOCKED", "IN_PROGRESS", "BLOCKED", "IN_PROGRESS", "REVIEW"]);
  });
});

describe("a runner that is killed during a turn", () => {
  test.each(["daemon", "root"] as const)(
    "(its %s) leaves the turn interrupted and the task to a person, and the next prompt continues the conversation",
    async (what) => {
      const task = await createTask();
      await wharf.turn(task, "demo: say the first turn\ndemo: write kept.txt kept");
      await wharf.prompt(task, 'demo: run echo given >> "$HOME/given"\ndemo: say working\ndemo: hang');
      await wharf.until(
        task.id,
        ({ data }) => data.kind === "message" && data.role === "agent" && data.text.includes("working"),
      );
      const before = await readWholeLog(wharf, task);
      const runner = await getRunnerId(task);
      process.kill(readLaunchRecord(runner)[what].pid, "SIGKILL");

      await waitForState(task, "BLOCKED");
      expect((await listTurns(task)).map(({ state }) => state)).toEqual(["ENDED", "INTERRUPTED"]);
      const told = await readWholeLog(wharf, task, before);
      expect(
        told.some(({ data }) => data.kind === "turn" && data.status === "interrupted" && data.reason !== undefined),
      ).toBe(true);
      const events = await wharf.turn(task, 'demo: recall\ndemo: run cat kept.txt "$HOME/given"\ndemo: say and on');
      expect(getAgentText(events)).toContain("demo: say the first turn");
      expect(getAgentText(events)).toContain("and on");
      const shown = events
        .flatMap(({ data }) => (data.kind === "tool_call" ? (data.content ?? []) : []))
        .flatMap((part) => (part.type === "text" ? [part.text] : []));
      expect(shown.join("\n")).toMatch(/kept[^]*given/);
      expect(events.some(({ data }) => data.kind === "session" && data.loaded)).toBe(true);
      await readWholeLog(wharf, task, told);
      // The agent received the prompt once; no server sent it again.
      expect(readFileSync(join(wharf.data, "runners", runner, "home", "given"), "utf8")).toBe("given\n");
      await waitForState(task, "REVIEW");
    },
  );

  test("continues by itself if the task's policy says so", async () => {
    const task = await createTask({ interrupt_policy: "continue" });
    await wharf.turn(task, "demo: say the first turn");
    await wharf.prompt(task, "demo: say working\ndemo: hang");
    await wharf.until(
      task.id,
      ({ data }) => data.kind === "message" && data.role === "agent" && data.text.includes("working"),
    );
    process.kill(readLaunchRecord(await getRunnerId(task)).daemon.pid, "SIGKILL");
    await waitForState(task, "REVIEW");
    const turns = await listTurns(task);
    expect(turns.map(({ state }) => state)).toEqual(["ENDED", "INTERRUPTED", "ENDED"]);
    expect(turns[2]?.prompt).toContain("Check the state of the workspace");
    expect(getAgentText(await readWholeLog(wharf, task))).toContain("I remember this conversation");
  });
});

describe("`down`", () => {
  // K-073
  test("stops the runners too and leaves no process, mount or socket, and the work can be resumed", async () => {
    const atWork = await createTask();
    const waiting = await createTask();
    await wharf.turn(waiting, "demo: say before it went down\ndemo: write kept.txt kept");
    await wharf.prompt(atWork, "demo: run (setsid sleep 1000 > /dev/null 2>&1 &)\ndemo: say working\ndemo: hang");
    await wharf.until(
      atWork.id,
      ({ data }) => data.kind === "message" && data.role === "agent" && data.text.includes("working"),
    );
    const before = await readWholeLog(wharf, waiting);
    const pid = wharf.pid;
    await wharf.client.call(api.shutdown, { body: { runners: true } });
    await eventually(() => findTraces(wharf.data), noTraces, 20_000);
    for (const runner of wharf.runnerIds()) expect(findTraces(runner)).toEqual(noTraces);
    await eventually(() => isAlive(pid!), false);

    await wharf.start();
    expect(await wharf.task(atWork.id)).toMatchObject({ state: "REVIEW" });
    expect(await listTurns(atWork)).toMatchObject([{ state: "CANCELLED" }]);
    expect(await listRuns(atWork)).toMatchObject([{ status: "STOPPED" }]);
    const events = await wharf.turn(waiting, "demo: recall\ndemo: run cat kept.txt");
    expect(getAgentText(events)).toContain("demo: say before it went down");
    await readWholeLog(wharf, waiting, before);
  });
});
