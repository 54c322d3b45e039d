import { type EventDataByKind, WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import type { TaskRow } from "../../tasks/index.ts";
import { applyTurn } from "../journal/apply-record.ts";
import { getEarlierConversation } from "../work/sync/conversation.ts";
import { getOpenTurns, type TurnRow } from "./transitions.ts";

const { runs, tasks, turns } = schema;
const getErrorCode = (thrown: unknown) => (thrown instanceof WharfError ? thrown.code : String(thrown));

/** Creates a task whose first turn is running, with two more queued. */
async function queueThreePrompts(f: Fixture) {
  const task = await f.newTask();
  const first = await f.prompt(task, "first");
  await f.db.update(runs).set({ status: "RUNNING", slot: true, queued_at: null });
  await f.db.update(turns).set({ state: "RUNNING" }).where(eq(turns.id, first.id));
  const second = await f.prompt(task, "second");
  const third = await f.prompt(task, "third");
  return { task, first, second, third };
}

const end = (f: Fixture, turn: TurnRow, data: Partial<EventDataByKind<"turn">> = {}) =>
  f.log.write((writer) =>
    applyTurn(writer, turn, { kind: "turn", turn_id: turn.id, status: "ended", stop_reason: "end_turn", ...data }),
  );
const line = async (f: Fixture, task: TaskRow) => {
  const prompts = new Map((await f.db.select().from(turns)).map(({ id, prompt }) => [id, prompt]));
  return (await getOpenTurns(f.db, task.id)).map(({ id }) => prompts.get(id));
};
const getTaskState = async (f: Fixture, task: TaskRow) => (await f.tasks.find(f.owner, task.id)).state;
const runRow = async (f: Fixture) => (await f.db.select().from(runs))[0]!;
const createActor = (f: Fixture) => ({ by: f.owner.user_id });

describe("prompts during a turn", () => {
  test("wait in order, and each waits for a slot when the previous one has ended", async () => {
    await using f = await fixture();
    const { task, first, second, third } = await queueThreePrompts(f);
    expect(await line(f, task)).toEqual(["first", "second", "third"]);
    expect(await runRow(f)).toMatchObject({ slot: true, queued_at: null });

    await end(f, first);
    expect(await runRow(f)).toMatchObject({ slot: false, queued_at: expect.any(Date) });
    expect(await getTaskState(f, task)).toBe("IN_PROGRESS");
    for (const turn of [second, third]) {
      expect(await getTaskState(f, task)).toBe("IN_PROGRESS");
      await f.db.update(runs).set({ slot: true, queued_at: null });
      await f.db.update(turns).set({ state: "RUNNING" }).where(eq(turns.id, turn.id));
      await end(f, { ...turn, state: "RUNNING" });
    }
    expect(await getTaskState(f, task)).toBe("REVIEW");
    expect(await runRow(f)).toMatchObject({ slot: false, queued_at: null });
  });

  test("do not answer the working agent's question", async () => {
    await using f = await fixture();
    const { task } = await queueThreePrompts(f);
    await f.db.update(tasks).set({ state: "BLOCKED" });
    await f.prompt(task, "fourth");
    expect(await getTaskState(f, task)).toBe("BLOCKED");
  });

  test("are cancelled with a run that fails", async () => {
    await using f = await fixture();
    const { task, first } = await queueThreePrompts(f);
    await end(f, first, { stop_reason: "error" });
    expect(await getTaskState(f, task)).toBe("FAILED");
    expect(await runRow(f)).toMatchObject({ desired: "STOP", stop_status: "FAILED", queued_at: null });
  });

  test("wait behind an interrupted turn for a person's prompt, which comes first", async () => {
    await using f = await fixture();
    const { task, first } = await queueThreePrompts(f);
    await end(f, first, { status: "interrupted" });
    expect(await getTaskState(f, task)).toBe("BLOCKED");
    expect(await runRow(f)).toMatchObject({ slot: false, queued_at: null });
    await f.prompt(task, "look what is there, and go on");
    expect(await line(f, task)).toEqual(["look what is there, and go on", "second", "third"]);
    expect(await runRow(f)).toMatchObject({ queued_at: expect.any(Date) });
    await f.prompt(task, "fourth");
    expect((await line(f, task)).at(-1)).toBe("fourth");
  });

  test("stay behind the turn that the task's policy adds after an interruption", async () => {
    await using f = await fixture();
    const { task, first } = await queueThreePrompts(f);
    await f.db.update(tasks).set({ interrupt_policy: "continue" });
    await end(f, first, { status: "interrupted" });
    expect((await line(f, task)).slice(1)).toEqual(["second", "third"]);
    expect(await getTaskState(f, task)).toBe("IN_PROGRESS");
  });

  test("are not part of the conversation before they are sent", async () => {
    await using f = await fixture();
    const { task, second } = await queueThreePrompts(f);
    const at = { task_id: task.id, turn_id: second.id, session_id: "new" };
    expect(await getEarlierConversation(f.db, at)).toBe("The person:\n> first\n");
  });
});

describe("cancelling a turn", () => {
  test("removes any waiting one and leaves the others", async () => {
    await using f = await fixture();
    const { task, second } = await queueThreePrompts(f);
    expect(await f.commands.cancelTurn(task.id, second.id, createActor(f))).toMatchObject({ state: "CANCELLED" });
    expect(await line(f, task)).toEqual(["first", "third"]);
    expect(await f.commands.cancelTurn(task.id, second.id, createActor(f)).catch(getErrorCode)).toBe("turn_ended");
    const other = await f.newTask();
    expect(await f.commands.cancelTurn(other.id, second.id, createActor(f)).catch(getErrorCode)).toBe("turn_not_found");
  });

  test("asks once for the end of the running one, and resumes a paused agent for it", async () => {
    await using f = await fixture();
    const { task, first } = await queueThreePrompts(f);
    await f.commands.pause(task.id, createActor(f));
    for (let i = 0; i < 2; i++)
      expect(await f.commands.cancelTurn(task.id, first.id, createActor(f))).toMatchObject({
        state: "RUNNING",
        cancel_asked: true,
      });
    expect(await runRow(f)).toMatchObject({ desired: "RUN" });
    const told = (await f.log.read(task.id, 0, 100)).filter(
      ({ data }) => data.kind === "notice" && data.message === "Asking the agent to end its turn.",
    );
    expect(told).toHaveLength(1);
    await end(f, first, { status: "cancelled", stop_reason: "cancelled" });
    expect(await line(f, task)).toEqual(["second", "third"]);
    expect(await getTaskState(f, task)).toBe("IN_PROGRESS");
    expect(await runRow(f)).toMatchObject({ queued_at: expect.any(Date) });
  });

  test("that was the only one waiting leaves nothing to start", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const turn = await f.prompt(task);
    await f.commands.cancelTurn(task.id, turn.id, createActor(f));
    expect(await runRow(f)).toMatchObject({ status: "STOPPED", queued_at: null, slot: false });
    expect(await getTaskState(f, task)).toBe("REVIEW");
    expect((await f.prompt(task)).run_id).not.toBe(turn.run_id);
  });

  test("that waited for a slot in a run between turns releases its place in the queue", async () => {
    await using f = await fixture();
    const { task, first, second, third } = await queueThreePrompts(f);
    await end(f, first);
    for (const turn of [second, third]) await f.commands.cancelTurn(task.id, turn.id, createActor(f));
    expect(await runRow(f)).toMatchObject({ status: "RUNNING", desired: "RUN", queued_at: null, slot: false });
    expect(await getTaskState(f, task)).toBe("REVIEW");
  });
});
