import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type RunStatus,
  RunStatus as RunStatuses,
  type TaskState,
  TaskState as TaskStates,
  type TurnState,
  TurnState as TurnStates,
  WharfError,
} from "@wharf/contract";
import { taskTransitions } from "@wharf/contract/task-transitions";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { findAllowedSecrets } from "../state/allowed-secrets.ts";
import { runTransitions, turnTransitions } from "../state/states.ts";
import { getOpenTurns } from "../state/transitions.ts";

const { runs, turns, tasks } = schema;
async function newRunner(f: Fixture): Promise<string> {
  const id = randomUUID();
  await f.db.insert(schema.runners).values({ id, backend: "local", tier: "small" });
  return id;
}
const getErrorCode = (thrown: unknown) => (thrown instanceof WharfError ? thrown.code : String(thrown));

describe("a prompt", () => {
  // K-018: a run and its first turn appear together, and the task is in progress
  test("creates a run, a turn and their log lines in one step", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const turn = await f.prompt(task, "fix it");
    const [run] = await f.db.select().from(runs);
    expect(run).toMatchObject({ id: turn.run_id, status: "PENDING", agent_type: "demo" });
    expect(await f.tasks.find(f.owner, task.id)).toMatchObject({
      state: "IN_PROGRESS",
      assigned_agent_id: run?.id,
    });
    const kinds = (await f.log.read(task.id, 0, 100)).map((event) => event.data.kind);
    expect(kinds).toEqual(["state", "state", "turn", "message", "state"]);
  });

  test("with a used key returns the existing turn", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const prompt = { text: "once", by: f.owner.user_id, agent_type: "demo", turn_id: randomUUID() };
    const first = await f.commands.prompt(task.id, prompt);
    expect((await f.commands.prompt(task.id, prompt)).id).toBe(first.id);
    expect(await f.db.select().from(turns)).toHaveLength(1);
  });

  test("sent thirty times at once creates one run and a queue of twenty, and the rest get queue_full", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, i) => f.prompt(task, `number ${i}`).then(() => "queued", getErrorCode)),
    );
    expect(outcomes.filter((outcome) => outcome === "queued")).toHaveLength(20);
    expect(outcomes.filter((outcome) => outcome === "queue_full")).toHaveLength(10);
    expect(await f.db.select().from(runs)).toHaveLength(1);
    const places = (await getOpenTurns(f.db, task.id)).map(({ place }) => place);
    expect(places).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  test("needs a repository", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.db.update(tasks).set({ repository_url: null }).where(eq(tasks.id, task.id));
    expect(await f.prompt(task).catch(getErrorCode)).toBe("task_needs_repository");
  });
});

describe("stopping", () => {
  test("ends a queued run at once, with its turn", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.prompt(task);
    await f.commands.stop(task.id, "REVIEW", { by: f.owner.user_id, reason: "changed my mind" });
    expect(await f.db.select().from(runs)).toMatchObject([{ status: "STOPPED", slot: false, queued_at: null }]);
    expect(await f.db.select().from(turns)).toMatchObject([{ state: "CANCELLED" }]);
    const again = await f.prompt(await f.tasks.find(f.owner, task.id));
    expect(again.state).toBe("QUEUED");
  });

  test("ends a run that waits for a retry, and stops its runner", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const turn = await f.prompt(task);
    const runner_id = await newRunner(f);
    await f.db.update(runs).set({ runner_id, attempt: 2 }).where(eq(runs.id, turn.run_id));
    await f.commands.stop(task.id, "REVIEW", { by: f.owner.user_id });
    expect(await f.db.select().from(runs)).toMatchObject([{ status: "STOPPED" }]);
    expect(await f.db.select().from(schema.runners)).toMatchObject([{ desired: "STOPPED" }]);
  });

  test("delays the next prompt, which starts a new run", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const first = await f.prompt(task);
    await f.db.update(runs).set({ status: "RUNNING", slot: true });
    await f.commands.stop(task.id, "CANCELLED", { by: f.owner.user_id });
    let second: string | undefined;
    const prompted = f.prompt(task).then((turn) => (second = turn.run_id));
    await sleep(300);
    expect(second).toBeUndefined();
    await f.db.update(turns).set({ state: "CANCELLED" }).where(eq(turns.id, first.id));
    await f.db.update(runs).set({ status: "STOPPED" }).where(eq(runs.id, first.run_id));
    expect(await prompted).not.toBe(first.run_id);
    expect(await f.tasks.find(f.owner, task.id)).toMatchObject({ state: "IN_PROGRESS" });
  });

  test("fails with no_run if there is no run", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    expect(await f.commands.stop(task.id, "REVIEW", { by: f.owner.user_id }).catch(getErrorCode)).toBe("no_run");
  });
});

describe("a state machine", () => {
  const machines = [
    { name: "task", states: TaskStates.options, table: taskTransitions as Record<TaskState, readonly TaskState[]> },
    { name: "run", states: RunStatuses.options, table: runTransitions as Record<RunStatus, readonly RunStatus[]> },
    { name: "turn", states: TurnStates.options, table: turnTransitions as Record<TurnState, readonly TurnState[]> },
  ];

  // K-019, K-021, X-007, X-008
  test.each(machines)("of a $name reaches every state from its first and names no other", ({ states, table }) => {
    const known: readonly string[] = states;
    const reached = new Set<string>([known[0]!]);
    const rows = Object.entries<readonly string[]>(table);
    for (let grown = -1; grown !== reached.size;) {
      grown = reached.size;
      for (const [from, to] of rows) if (reached.has(from)) to.forEach((state) => reached.add(state));
    }
    expect([...reached].toSorted()).toEqual([...known].toSorted());
  });

  test("of a task takes every step of its table and refuses every other", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    for (const from of TaskStates.options) {
      for (const to of TaskStates.options.filter((state) => state !== from)) {
        await f.db.update(tasks).set({ state: from }).where(eq(tasks.id, task.id));
        const outcome = await f.tasks.move(task.id, to, {}).then(() => to, getErrorCode);
        expect([from, to, outcome]).toEqual([
          from,
          to,
          taskTransitions[from].includes(to) ? to : "task_transition_invalid",
        ]);
      }
    }
  });
});

describe("retrying a push", () => {
  test("is possible after a push has failed, and requests a holder for the runner", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const retryPush = () => f.commands.retryPush(task.id, { by: f.owner.user_id });
    await expect(retryPush()).rejects.toMatchObject({ code: "no_commit" });
    const { run_id } = await f.prompt(task);
    const push = { task_id: task.id, run_id, sha: "a", attempts: 20 };
    await f.db.insert(schema.pushes).values({ ...push, state: "PUSHED" });
    await expect(retryPush()).rejects.toMatchObject({ code: "nothing_to_push" });
    await f.db.update(schema.pushes).set({ state: "FAILED" });
    await retryPush();
    expect(await f.db.select().from(schema.pushes)).toMatchObject([{ state: "WANTED", attempts: 0 }]);
    const pushes = (await f.log.read(task.id, 0, 100)).flatMap(({ data }) =>
      data.kind === "push" ? [data.status] : [],
    );
    expect(pushes).toEqual(["pending"]);
  });

  test("allows what was reported as a secret, in this task only, and logs who allowed it", async () => {
    await using f = await fixture();
    const [task, other] = [await f.newTask(), await f.newTask()];
    const { run_id } = await f.prompt(task);
    const by = f.owner.user_id;
    const fingerprints = ["0011223344556677", "8899aabbccddeeff"];
    const allow = () => f.commands.retryPush(task.id, { by, allowedSecrets: fingerprints });
    await expect(allow()).rejects.toMatchObject({ code: "no_commit" });
    expect(await findAllowedSecrets(f.db, task.id)).toEqual(new Set());
    await f.db.insert(schema.pushes).values({ task_id: task.id, run_id, sha: "a", state: "FAILED" });
    await allow();
    await f.db.update(schema.pushes).set({ state: "FAILED" });
    await allow();
    expect(await findAllowedSecrets(f.db, task.id)).toEqual(new Set(fingerprints));
    expect(await findAllowedSecrets(f.db, other.id)).toEqual(new Set());
    const events = await f.db.select().from(schema.events).where(eq(schema.events.task_id, task.id));
    const notices = events.filter(({ data }) => JSON.stringify(data).includes("0011223344556677, 8899aabbccddeeff"));
    expect(notices.map(({ created_by }) => created_by)).toEqual([by, by]);
  });
});
