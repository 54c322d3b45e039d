import { randomUUID } from "node:crypto";
import { type RunStatus, type TaskState, type TurnState, WharfError } from "@wharf/contract";
import { RunStatus as RunStatuses, TaskState as TaskStates, TurnState as TurnStates } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { fixture } from "../../test/fixture.ts";
import { schema } from "../store/index.ts";
import { taskTransitions } from "../tasks/states.ts";
import { runTransitions, turnTransitions } from "./states.ts";

const { runs, turns, tasks } = schema;
const codeOf = (thrown: unknown) => (thrown instanceof WharfError ? thrown.code : String(thrown));

describe("a prompt", () => {
  // K-018, K-052: a run and its first turn appear together, and the task is in progress
  it("makes a run, a turn and their log lines in one step", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const turn = await f.prompt(task, "mend it");
    const [run] = await f.db.select().from(runs);
    expect(run).toMatchObject({ id: turn.run_id, status: "PENDING", agent_type: "demo" });
    expect(await f.tasks.find(f.owner.user_id, task.id)).toMatchObject({
      state: "IN_PROGRESS",
      assigned_agent_id: run?.id,
    });
    const kinds = (await f.log.read(task.id, 0, 100)).map((event) => event.data.kind);
    expect(kinds).toEqual(["state", "state", "turn", "message", "state"]);
  });

  it("with a key that was used answers with the turn that is there", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const prompt = { text: "once", by: f.owner.user_id, agent_type: "demo", turn_id: randomUUID() };
    const first = await f.commands.prompt(task.id, prompt);
    expect((await f.commands.prompt(task.id, prompt)).id).toBe(first.id);
    expect(await f.db.select().from(turns)).toHaveLength(1);
  });

  it("during a turn is refused and changes nothing", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.prompt(task);
    const before = await f.log.lastSeq(task.id);
    expect(await f.prompt(task).catch(codeOf)).toBe("turn_open");
    expect(await f.log.lastSeq(task.id)).toBe(before);
  });

  it("given twenty times at once makes one run and one turn", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => f.prompt(task)));
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    expect(await f.db.select().from(runs)).toHaveLength(1);
  });

  it("needs a repository", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.db.update(tasks).set({ repository_url: null }).where(eq(tasks.id, task.id));
    expect(await f.prompt(task).catch(codeOf)).toBe("task_needs_repository");
  });
});

describe("stopping", () => {
  // K-056
  it("ends a run that waits in the queue at once, with its turn", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.prompt(task);
    await f.commands.stop(task.id, "REVIEW", { by: f.owner.user_id, reason: "changed my mind" });
    expect(await f.db.select().from(runs)).toMatchObject([{ status: "STOPPED", slot: false, queued_at: null }]);
    expect(await f.db.select().from(turns)).toMatchObject([{ state: "CANCELLED" }]);
    const again = await f.prompt(await f.tasks.find(f.owner.user_id, task.id));
    expect(again.state).toBe("QUEUED");
  });

  it("says so when nothing is at work", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    expect(await f.commands.stop(task.id, "REVIEW", { by: f.owner.user_id }).catch(codeOf)).toBe("no_run");
  });

  it("deleting a task gives up its runner", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const turn = await f.prompt(task);
    const [runner] = await f.db
      .insert(schema.runners)
      .values({ id: randomUUID(), backend: "local", tier: "small" })
      .returning();
    await f.db.update(runs).set({ runner_id: runner!.id }).where(eq(runs.id, turn.run_id));
    await f.commands.delete(task.id);
    expect(await f.db.select().from(runs)).toEqual([]);
    expect(await f.db.select().from(schema.runners)).toMatchObject([{ desired: "DESTROYED" }]);
  });
});

describe("a state machine", () => {
  const machines = [
    { name: "task", states: TaskStates.options, table: taskTransitions as Record<TaskState, readonly TaskState[]> },
    { name: "run", states: RunStatuses.options, table: runTransitions as Record<RunStatus, readonly RunStatus[]> },
    { name: "turn", states: TurnStates.options, table: turnTransitions as Record<TurnState, readonly TurnState[]> },
  ];

  // K-019, K-021, X-007, X-008
  it.each(machines)("of a $name reaches every state from its first and names no other", ({ states, table }) => {
    const known: readonly string[] = states;
    const reached = new Set<string>([known[0]!]);
    const rows = Object.entries<readonly string[]>(table);
    for (let grown = -1; grown !== reached.size;) {
      grown = reached.size;
      for (const [from, to] of rows) if (reached.has(from)) to.forEach((state) => reached.add(state));
    }
    expect([...reached].toSorted()).toEqual([...known].toSorted());
  });

  it("of a task takes every step of its table and refuses every other", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    for (const from of TaskStates.options) {
      for (const to of TaskStates.options.filter((state) => state !== from)) {
        await f.db.update(tasks).set({ state: from }).where(eq(tasks.id, task.id));
        const outcome = await f.tasks.move(task.id, to, {}).then(() => to, codeOf);
        expect([from, to, outcome]).toEqual([from, to, taskTransitions[from].includes(to) ? to : "conflict"]);
      }
    }
  });
});
