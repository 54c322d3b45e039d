import { type Event, WharfError } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { fixture } from "../../test/fixture.ts";
import { schema } from "../store/index.ts";
import { followTaskLog } from "./follow.ts";

const notice = (message: string) => ({ data: { kind: "notice" as const, message } });

async function collect(source: AsyncIterable<readonly Event[]>, until: (events: Event[]) => boolean): Promise<Event[]> {
  const seen: Event[] = [];
  for await (const batch of source) {
    seen.push(...batch);
    if (until(seen)) break;
  }
  return seen;
}

describe("the log", () => {
  //
  test("gives concurrent writers sequences without gaps or duplicates", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        f.log.write(({ append }) => append(task.id, [notice(`${i} a`), notice(`${i} b`)])),
      ),
    );
    const events = await f.log.read(task.id, 0, 1000);
    expect(events.map((event) => event.seq)).toEqual(Array.from({ length: 81 }, (_, i) => i + 1));
  });

  test("appends nothing when the transaction it belongs to fails", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const failing = f.log.write(async ({ append }) => {
      await append(task.id, [notice("never")]);
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await f.log.readLastSeqs([task.id])).toEqual(new Map([[task.id, 1]]));
  });

  test("refuses the same journal record a second time", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const record = { ...notice("once"), run_id: crypto.randomUUID(), journal: { epoch: "e", seq: 1 } };
    await f.log.write(({ append }) => append(task.id, [record]));
    await expect(f.log.write(({ append }) => append(task.id, [record]))).rejects.toThrow();
    expect(await f.log.readLastSeqs([task.id])).toEqual(new Map([[task.id, 2]]));
  });

  test("appends more events at once than one statement has parameters for", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const many = Array.from({ length: 7_000 }, (_, i) => notice(`${i}`));
    const stored = await f.log.write(({ append }) => append(task.id, many));
    expect(stored.map(({ seq }) => seq)).toEqual(many.map((_, i) => i + 2));
    const [last] = await f.log.read(task.id, 7_000, 1);
    expect(last?.data).toEqual({ kind: "notice", message: "6999" });
  });

  test("does not change the task's time of change, because the task itself did not change", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.log.write(({ append }) => append(task.id, [notice("more")]));
    expect((await f.tasks.find(f.owner, task.id)).updated_at).toEqual(task.updated_at);
  });

  test("throws task_not_found for a task that no longer exists", async () => {
    await using f = await fixture();
    await expect(f.log.write(({ append }) => append(crypto.randomUUID(), [notice("x")]))).rejects.toThrow(WharfError);
  });

  // K-021 K-022 K-023: scripts that read the old tables find them
  test("is readable through the old tables' names", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.prompt(task);
    const instances = await f.db.select().from(schema.agent_instances);
    expect(instances).toMatchObject([{ task_id: task.id, agent_type: "demo", status: "PENDING" }]);
    const changes = await f.db
      .select()
      .from(schema.task_events)
      .where(sql`event_type = 'state'`);
    expect(changes.map((row) => row.new_state)).toContain("IN_PROGRESS");
    const lines = await f.db.select().from(schema.agent_logs);
    expect(lines.some((line) => line.message === "go on")).toBe(true);
  });
});

describe("a reader by cursor", () => {
  test("sees every event once and in order while many are appended", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const stop = new AbortController();
    const reading = collect(
      followTaskLog(f.log, task.id, { after: 0, signal: stop.signal }),
      (events) => events.length >= 301,
    );
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        for (let n = 0; n < 10; n++) await f.log.write(({ append }) => append(task.id, [notice(`${i}.${n}`)]));
      }),
    );
    const seen = await reading;
    expect(seen.map((event) => event.seq)).toEqual(Array.from({ length: 301 }, (_, i) => i + 1));
  });

  test("that is slow reads the events that it could not hold from the log", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const stop = new AbortController();
    const source = followTaskLog(f.log, task.id, { after: 0, signal: stop.signal });
    const seen: number[] = [...((await source.next()).value ?? [])].map((event) => event.seq);
    for (let i = 0; i < 30; i++)
      await f.log.write(({ append }) =>
        append(
          task.id,
          Array.from({ length: 100 }, () => notice("x")),
        ),
      );
    const rest = await collect(source, (events) => events.at(-1)?.seq === 3001);
    expect([...seen, ...rest.map((event) => event.seq)]).toEqual(Array.from({ length: 3001 }, (_, i) => i + 1));
  });

  test("ends with its signal, even while it waits", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const stop = new AbortController();
    const reading = collect(followTaskLog(f.log, task.id, { after: 1, signal: stop.signal }), () => false);
    setTimeout(() => stop.abort(), 20);
    expect(await reading).toEqual([]);
  });
});
