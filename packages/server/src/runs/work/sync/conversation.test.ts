import { randomUUID } from "node:crypto";
import type { EventData } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../../test/fixture.ts";
import { schema } from "../../../store/index.ts";
import type { TaskRow } from "../../../tasks/index.ts";
import { getEarlierConversation, createSummary } from "./conversation.ts";

const say = (f: Fixture, task: TaskRow, ...data: EventData[]) =>
  f.log.write((writer) =>
    writer.append(
      task.id,
      data.map((one) => ({ data: one })),
    ),
  );
const session = (session_id: string): EventData => ({ kind: "session", session_id, loaded: false });
const agent = (text: string): EventData => ({ kind: "message", role: "agent", text });
const started = (turn_id: string): EventData => ({ kind: "turn", turn_id, status: "started" });

/** Creates a task whose first turn has ended and whose second one is queued. */
async function secondTurn(f: Fixture) {
  const task = await f.newTask();
  const first = await f.prompt(task, "fix the sum");
  await say(f, task, session("old"), started(first.id), agent("It is "), agent("fixed."));
  await f.db.update(schema.turns).set({ state: "ENDED" });
  const second = await f.prompt(task, "and the product");
  return { task, turn_id: second.id };
}

describe("the conversation before a turn", () => {
  test("goes to a newly opened session, without the prompt that follows it", async () => {
    await using f = await fixture();
    const { task, turn_id } = await secondTurn(f);
    const told = "The person:\n> fix the sum\n\nYou:\n> It is fixed.\n";
    const at = { task_id: task.id, turn_id, session_id: "new" };
    // The log may not have the session yet.
    expect(await getEarlierConversation(f.db, at)).toBe(told);
    await say(f, task, session("new"));
    expect(await getEarlierConversation(f.db, at)).toBe(told);
    await say(f, task, started(turn_id));
    expect(await getEarlierConversation(f.db, at)).toBeUndefined();
  });

  test("has the newest pieces of a long log, and omits every queued prompt", async () => {
    await using f = await fixture();
    const { task, turn_id } = await secondTurn(f);
    await f.prompt(task, "and then the rest");
    const pieces = Array.from({ length: 1_200 }, (_, i) => agent(`${i} ${"x".repeat(50)}\n`));
    await say(f, task, { kind: "message", role: "user", text: "one more" }, ...pieces);
    const told = (await getEarlierConversation(f.db, { task_id: task.id, turn_id, session_id: "new" })) ?? "";
    expect(told).toContain("> fix the sum");
    expect(told).toContain("> 1199 ");
    expect(told).not.toContain("and the product");
    expect(told).not.toContain("and then the rest");
  });

  test("does not go to the session that had it, and is missing if there was none", async () => {
    await using f = await fixture();
    const { task, turn_id } = await secondTurn(f);
    expect(await getEarlierConversation(f.db, { task_id: task.id, turn_id, session_id: "old" })).toBeUndefined();
    const other = await f.newTask();
    const first = await f.prompt(other, "begin");
    const at = { task_id: other.id, turn_id: first.id, session_id: randomUUID() };
    expect(await getEarlierConversation(f.db, at)).toBeUndefined();
  });
});

describe("a summary", () => {
  test("quotes every line, so that nothing in it looks like a current prompt", () => {
    expect(createSummary([{ role: "user", text: "one\ntwo\n" }])).toBe("The person:\n> one\n> two\n");
  });

  test("has the newest messages that fit, and both ends of a long message", () => {
    const pieces = Array.from({ length: 50 }, (_, i) => ({ role: "user" as const, text: `${i} ${"x".repeat(900)}` }));
    const summary = createSummary(pieces) ?? "";
    expect(summary.length).toBeLessThanOrEqual(20_000);
    expect(summary.length).toBeGreaterThan(18_000);
    expect(summary).toContain("> 49 ");
    expect(summary).not.toContain("> 20 ");
    const long = createSummary([{ role: "agent", text: `begin ${"y".repeat(100_000)} end` }]) ?? "";
    expect(long).toMatch(/^You:\n> begin y+\n> \[…\]\n> y+ end\n$/);
    expect(long.length).toBeLessThan(4_100);
    expect((createSummary([{ role: "user", text: "\n".repeat(50_000) }]) ?? "").length).toBeLessThanOrEqual(20_000);
    expect(createSummary([{ role: "user", text: `a${"\n".repeat(50_000)}b` }])?.length).toBeLessThanOrEqual(20_000);
  });
});
