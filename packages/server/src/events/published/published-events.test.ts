import { randomUUID } from "node:crypto";
import { type Envelope, Envelope as EnvelopeSchema } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { describe, expect, onTestFinished, test } from "vitest";
import { fixture, type Fixture } from "../../../test/fixture.ts";
import { openDatabase } from "../../store/index.ts";
import { Log } from "../log.ts";
import { followPublished } from "./follow-published.ts";

/** Follows a board until the test ends. */
function followBoard(log: Log, { owner }: Fixture, { after = 0, board_id = owner.default_board_id } = {}) {
  const ended = new AbortController();
  onTestFinished(() => ended.abort());
  const envelopes: Envelope[] = [];
  const filter = { organization_id: owner.organization_id, board_id };
  const reading = (async () => {
    for await (const events of followPublished(log.published, { after, filter, signal: ended.signal }))
      envelopes.push(...events.flatMap(({ envelope }) => envelope ?? []));
  })();
  const getNames = () => envelopes.map(({ type }) => type);
  return { envelopes, getNames, reading, stop: () => ended.abort() };
}

const notice = { data: { kind: "notice", message: "a line" } } as const;
const failure = { data: { kind: "failure", code: "x", message: "it failed" } } as const;

describe("events of boards", () => {
  // K-079
  test("have the names of what happened to tasks, and leave out the lines of their logs", async () => {
    await using f = await fixture();
    const board = followBoard(f.log, f);
    const task = await f.newTask();
    await f.tasks.update(task.id, { title: "another" }, { by: f.owner.user_id });
    await f.log.write(({ append }) => append(task.id, [notice, failure, notice]));
    await f.tasks.move(task.id, "CANCELLED", {});
    await expect.poll(board.getNames).toEqual(["task.created", "task.updated", "agent.error", "task.state_changed"]);
    for (const envelope of board.envelopes) expect(EnvelopeSchema.parse(envelope)).toEqual(envelope);
    expect(board.envelopes[1]).toMatchObject({
      id: "2",
      source: "wharf",
      data: { task_id: task.id, board_id: task.board_id, seq: 2, data: { values: { title: "another" } } },
    });
  });

  // K-079
  test("end with the deletion of their task, and only that remains for later readers", async () => {
    await using f = await fixture();
    const board = followBoard(f.log, f);
    const task = await f.newTask();
    await expect.poll(board.getNames).toEqual(["task.created"]);
    await f.commands.delete(task.id);
    await expect.poll(board.getNames).toEqual(["task.created", "task.deleted"]);
    const later = followBoard(f.log, f);
    await expect.poll(later.getNames).toEqual(["task.deleted"]);
    expect(later.envelopes[0]?.data).toMatchObject({ task_id: task.id, board_id: task.board_id });
  });

  test("come once and in order, whichever of several servers writes them and however long each transaction takes", async () => {
    await using f = await fixture();
    const other = openDatabase({ ...f.connection, max: 8 }, () => undefined);
    onTestFinished(() => other.close());
    const logs = [f.log, new Log(other.db)];
    const tasks = await Promise.all(Array.from({ length: 8 }, () => f.newTask()));
    const live = followBoard(f.log, f);
    await Promise.all(
      tasks.map(async (task, n) => {
        for (let count = 0; count < 25; count++)
          await logs[(n + count) % 2]!.write(async ({ append, tx }) => {
            await append(task.id, [failure, failure]);
            // Later numbers are often committed before this one.
            for (let pause = 0; pause < (n * 7 + count) % 5; pause++) await tx.execute(sql`select 1`);
          });
      }),
    );
    const total = 8 + 8 * 25 * 2;
    await expect.poll(() => (f.log.published.number(), live.envelopes.length), { timeout: 20_000 }).toBe(total);
    // A reader may stop and continue anywhere.
    const first = followBoard(f.log, f);
    await expect.poll(() => first.envelopes.length).toBeGreaterThan(100);
    first.stop();
    await first.reading;
    const kept = first.envelopes.slice(0, 100);
    const rest = followBoard(f.log, f, { after: Number(kept.at(-1)!.id) });
    await expect.poll(() => rest.envelopes.length).toBe(total - 100);
    for (const envelopes of [live.envelopes, [...kept, ...rest.envelopes]]) {
      expect(envelopes.map(({ id }) => Number(id))).toEqual(Array.from({ length: total }, (_, n) => n + 1));
      for (const { id } of tasks) {
        const seqs = envelopes.filter(({ data }) => data.task_id === id).map(({ data }) => data.seq);
        expect(seqs).toEqual(Array.from({ length: 51 }, (_, n) => n + 1));
      }
    }
  });

  test("of a process that died before it numbered them reach readers of another one", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const board = followBoard(f.log, f);
    await expect.poll(board.getNames).toEqual(["task.created"]);
    await f.db.execute(sql`
      insert into published_events (id, organization_id, board_id, task_id)
      values (1000000, ${f.owner.organization_id}, ${task.board_id}, ${randomUUID()})`);
    await f.log.write(({ append }) => append(task.id, [failure]));
    await expect.poll(() => board.getNames().toSorted()).toEqual(["agent.error", "task.created", "task.deleted"]);
  });

  test("have only the latest progress of many reports, before what follows them", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const board = followBoard(f.log, f);
    for (let percent = 0; percent < 50; percent++)
      await f.log.write(({ append }) =>
        append(task.id, [{ type: "progress", data: { kind: "report", percent } }, notice]),
      );
    await f.log.write(({ append }) => append(task.id, [failure]));
    await expect.poll(() => board.getNames().at(-1)).toBe("agent.error");
    const progress = board.envelopes.filter(({ type }) => type === "agent.progress");
    expect(progress.length).toBeLessThan(50);
    expect(progress.at(-1)?.data.data).toMatchObject({ percent: 49 });
    expect(board.getNames().slice(-2)).toEqual(["agent.progress", "agent.error"]);
  });

  test("come without data that is too large for readers of many tasks", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const board = followBoard(f.log, f);
    await f.log.write(({ append }) =>
      append(task.id, [{ data: { ...failure.data, message: "x".repeat(70_000) } }, failure]),
    );
    await expect.poll(() => board.envelopes.length).toBe(3);
    expect(board.envelopes[1]).toMatchObject({ type: "agent.error", data: { seq: 2 } });
    expect(board.envelopes[1]?.data).not.toHaveProperty("data");
    expect(board.envelopes[2]?.data.data).toEqual(failure.data);
  });

  test("refuse a cursor whose events are gone", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.log.write(({ append }) => append(task.id, [failure, failure]));
    await expect.poll(() => f.log.published.findStart(undefined)).toBe(3);
    await f.db.execute(sql`delete from published_events where position < 3`);
    expect(await f.log.published.findStart(2)).toBe(2);
    for (const cursor of [0, 1, 4])
      await expect(f.log.published.findStart(cursor)).rejects.toMatchObject({ code: "cursor_expired" });
  });
});
