import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { Log } from "../../events/index.ts";
import { schema } from "../../store/index.ts";
import type { TaskRow } from "../../tasks/index.ts";
import { applyTurn } from "../journal/apply-record.ts";
import { Pruning } from "./pruning.ts";

const { events, permissions, runners, runs, tasks, turns } = schema;

describe("a prompt's files", () => {
  test.each(["ended", "cancelled", "interrupted"] as const)(
    "are deleted when its turn is %s, and not before",
    async (status) => {
      await using f = await fixture();
      const task = await f.newTask();
      const attachments = [{ name: "a.txt", mime_type: "text/plain", data: "aGk=" }];
      const prompt = { text: "look", by: f.owner.user_id, agent_type: "demo", attachments };
      const turn = await f.commands.prompt(task.id, prompt);
      await f.db.update(turns).set({ state: "RUNNING" });
      const stored = async () => (await f.db.select().from(turns))[0]?.attachments;
      expect(await stored()).toEqual(attachments);
      await f.log.write((writer) => applyTurn(writer, turn, { kind: "turn", turn_id: turn.id, status }));
      expect(await stored()).toEqual([]);
    },
  );
});

describe("pruning", () => {
  test("deletes destroyed runners and settled permissions after 30 days, and nothing else", async () => {
    await using f = await fixture();
    const { run_id, task_id } = await f.prompt(await f.newTask());
    const old = sql`now() - interval '31 days'`;
    const rows = (["DESTROYED", "STOPPED", "DESTROYED"] as const).map((state, i) => ({
      id: randomUUID(),
      backend: "local" as const,
      tier: "small",
      state,
      updated_at: i === 2 ? sql`now() - interval '29 days'` : old,
    }));
    await f.db.insert(runners).values(rows);
    await f.db.update(runs).set({ runner_id: rows[0]!.id });
    await f.db.insert(permissions).values([
      { run_id, task_id, permission_id: "old", state: "CLOSED", updated_at: old },
      { run_id, task_id, permission_id: "new", state: "CLOSED" },
      { run_id, task_id, permission_id: "open", state: "ASKED", updated_at: old },
    ]);
    expect(await new Pruning(f.db).step()).toBe(false);
    const left = await f.db.select({ id: runners.id }).from(runners);
    expect(new Set(left)).toEqual(new Set([{ id: rows[1]!.id }, { id: rows[2]!.id }]));
    const asked = await f.db.select({ id: permissions.permission_id }).from(permissions);
    expect(asked.map(({ id }) => id).toSorted()).toEqual(["new", "open"]);
    expect((await f.db.select().from(runs))[0]?.runner_id).toBeNull();
  });

  test("continues while there are more rows than one step removes", async () => {
    await using f = await fixture();
    await f.pool.query(
      `insert into runners (id, backend, tier, state, updated_at)
       select gen_random_uuid(), 'local', 'small', 'DESTROYED', now() - interval '31 days' from generate_series(1, 1200)`,
    );
    const pruning = new Pruning(f.db);
    expect([await pruning.step(), await pruning.step(), await pruning.step()]).toEqual([true, true, false]);
    expect(await f.db.$count(runners)).toBe(0);
  });
});

describe("a log that a runner fills", () => {
  const limits = { maxTaskMb: 3, maxRunMb: 1 };
  /** Appends records of 256 KiB, as a journal's reader does. */
  const report = (f: Fixture, at: { task: TaskRow; run_id: string; from: number; count: number }) =>
    new Log(f.db, { limits }).write(({ append }) =>
      append(
        at.task.id,
        Array.from({ length: at.count }, (_, i) => ({
          data: { kind: "output" as const, stream: "stdout" as const, text: "x".repeat(256 * 1024) },
          run_id: at.run_id,
          journal: { epoch: "e", seq: at.from + i },
        })),
      ),
    );

  test("ends the run at its limit, and the next run has its own limit within the task's", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    for (let n = 0; n < 3; n++) {
      const { run_id } = await f.prompt(task);
      const from = n * 100;
      if (n < 2) {
        await report(f, { task, run_id, from, count: 3 });
        const full = { code: "log_full", context: { what: "run", limit_mb: 1 } };
        await expect(report(f, { task, run_id, from: from + 3, count: 2 })).rejects.toMatchObject(full);
      } else {
        await f.db.update(tasks).set({ log_bytes: 3 << 20 });
        const full = { code: "log_full", context: { what: "task", limit_mb: 3 } };
        await expect(report(f, { task, run_id, from, count: 1 })).rejects.toMatchObject(full);
      }
      await f.db.update(runs).set({ status: "FAILED", queued_at: null }).where(eq(runs.id, run_id));
      await f.db.update(turns).set({ state: "CANCELLED" });
    }
    const stored = await f.db.$count(events, sql`kind = 'output'`);
    expect(stored).toBe(6);
    const written = new Log(f.db, { limits }).write(({ append }) =>
      append(task.id, [{ data: { kind: "notice", message: "the server can still write" } }]),
    );
    await expect(written).resolves.toHaveLength(1);
  });
});
