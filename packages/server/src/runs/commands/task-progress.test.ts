import type { EventData, EventType } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import type { TaskRow } from "../../tasks/index.ts";
import { RunQueries } from "./run-queries.ts";

const { runs, turns } = schema;

/** Starts a turn of a task, which began some time ago. */
async function startTurn(f: Fixture, agoMs: number): Promise<TaskRow> {
  const task = await f.newTask();
  const turn = await f.prompt(task);
  await f.db.update(runs).set({ status: "RUNNING", slot: true, queued_at: null }).where(eq(runs.id, turn.run_id));
  const started_at = new Date(Date.now() - agoMs);
  await f.db.update(turns).set({ state: "RUNNING", started_at }).where(eq(turns.id, turn.id));
  return task;
}

const report = (f: Fixture, { id }: TaskRow, data: EventData, type?: EventType) =>
  f.log.write(({ append }) => append(id, [{ data, ...(type && { type }) }]));
const getStatus = async (f: Fixture, { id }: TaskRow) =>
  new RunQueries(f.db).getStatus(await f.tasks.find(f.owner, id));

/** Adds ended turns of an agent, which took so many seconds. */
async function addEndedTurns(f: Fixture, agentType: string, seconds: readonly number[]): Promise<void> {
  for (const duration of seconds) {
    const task = await startTurn(f, duration * 1000);
    await f.db
      .update(runs)
      .set({ status: "COMPLETED", slot: false, agent_type: agentType })
      .where(eq(runs.task_id, task.id));
    await f.db.update(turns).set({ state: "ENDED", ended_at: new Date() }).where(eq(turns.task_id, task.id));
  }
}

describe("the status of a task", () => {
  // K-009 K-059
  test("has the progress and the operation that the agent reported last in this turn", async () => {
    await using f = await fixture();
    const task = await startTurn(f, 60_000);
    expect(await getStatus(f, task)).toMatchObject({ progress: null, current_operation: "running" });
    const data = {
      kind: "report" as const,
      progress: 40,
      message: "Reading",
      current_file: "a.ts",
      files_processed: 4,
      total_files: 10,
    };
    await report(f, task, data, "progress");
    await report(f, task, { kind: "report", progress: 99, message: "a log line" }, "log");
    const status = await getStatus(f, task);
    expect(status).toMatchObject({ progress: 40, current_operation: "Reading, a.ts, 4 of 10 files" });
    const remainingMs = status.estimated_completion!.getTime() - Date.now();
    expect(Math.abs(remainingMs - 90_000)).toBeLessThan(30_000);
    await report(f, task, { kind: "report", files_processed: 5, total_files: 10 }, "progress");
    expect(await getStatus(f, task)).toMatchObject({ progress: 50, current_operation: "5 of 10 files" });
  });

  test("has the share of the plan that is done, and the open tool call", async () => {
    await using f = await fixture();
    const task = await startTurn(f, 1000);
    const statuses = ["completed", "in_progress", "pending", "pending"];
    const entries = statuses.map((status, n) => ({ content: `Step ${n}`, status }));
    await report(f, task, { kind: "plan", entries });
    expect(await getStatus(f, task)).toMatchObject({ progress: 25, current_operation: "Step 1" });
    const call = { kind: "tool_call" as const, tool_call_id: "a" };
    await report(f, task, { ...call, title: "npm test", status: "pending" });
    await report(f, task, { ...call, status: "in_progress" });
    expect(await getStatus(f, task)).toMatchObject({ current_operation: "npm test" });
    await report(f, task, { ...call, status: "completed" });
    expect(await getStatus(f, task)).toMatchObject({ current_operation: "Step 1" });
  });

  // K-059
  test("estimates the end from turns of the same agent that took at least as long, if there are enough", async () => {
    await using f = await fixture();
    const task = await startTurn(f, 100_000);
    await addEndedTurns(f, "demo", [10, 200, 300]);
    await addEndedTurns(f, "other", [900, 900, 900]);
    expect((await getStatus(f, task)).estimated_completion).toBe(null);
    await addEndedTurns(f, "demo", [400]);
    const [turn] = await f.db.select().from(turns).where(eq(turns.task_id, task.id));
    const { estimated_completion: end } = await getStatus(f, task);
    expect(Math.round((end!.getTime() - turn!.started_at!.getTime()) / 10_000)).toBe(30);
  });

  test("forgets the progress of an earlier turn, and has none between turns", async () => {
    await using f = await fixture();
    const task = await startTurn(f, 1000);
    await report(f, task, { kind: "report", progress: 80 }, "progress");
    await f.db.update(turns).set({ state: "ENDED", ended_at: new Date() });
    await f.db.update(runs).set({ slot: false });
    expect(await getStatus(f, task)).toMatchObject({ progress: null, estimated_completion: null });
    await f.prompt(task);
    await f.db.update(turns).set({ state: "RUNNING", started_at: new Date() }).where(eq(turns.state, "QUEUED"));
    expect(await getStatus(f, task)).toMatchObject({ progress: null, current_operation: "running" });
  });
});
