import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { getVisibleRunner } from "../../runners/standalone/standalone-rows.ts";
import { schema } from "../../store/index.ts";
import { Boards, type TaskRow } from "../../tasks/index.ts";
import { RunQueries } from "../commands/run-queries.ts";
import { getLeasedRun } from "../state/lease.ts";
import { Removal, type RemovalOptions } from "./removal.ts";

const { boards, dropped_branches, events, permissions, pushes, runners, runs, tasks, turns } = schema;
const logger = pino({ level: "silent" });

/** Creates a board with tasks that each have a live run in a runner. */
async function newBoard(f: Fixture, count: number): Promise<{ id: string; made: TaskRow[] }> {
  const board = await new Boards(f.db).create(f.owner, { name: "b", description: "" });
  const made: TaskRow[] = [];
  for (let i = 0; i < count; i++) {
    const input = { title: `${i}`, description: "d", priority: 0, repository_url: "/srv/repository" };
    const task = await f.tasks.create(f.owner.user_id, board.id, input);
    const { run_id } = await f.prompt(task);
    const runner_id = randomUUID();
    await f.db.insert(runners).values({ id: runner_id, backend: "local", tier: "small", board_id: board.id });
    await f.db.update(runs).set({ runner_id, repository_id: "mirror" }).where(eq(runs.id, run_id));
    await f.db.insert(permissions).values({ run_id, permission_id: "p", task_id: task.id });
    await f.db.insert(pushes).values({ task_id: task.id, run_id, sha: "a", state: "MIRRORED" });
    made.push(task);
  }
  return { id: board.id, made };
}

/** Runs every step in a new instance, as if the process had ended after each. */
async function finish(f: Fixture, options: Partial<RemovalOptions> = {}): Promise<number> {
  for (let steps = 0; ; steps++) if (!(await new Removal({ db: f.db, logger, ...options }).step())) return steps;
}

/** Counts the remaining rows by table. */
async function countRows(f: Fixture) {
  const counted = { boards, tasks, runs, turns, events, permissions, pushes };
  const counts: Record<string, number> = {};
  for (const [name, table] of Object.entries(counted)) counts[name] = await f.db.$count(table);
  return counts;
}
const nothing = { tasks: 0, runs: 0, turns: 0, events: 0, permissions: 0, pushes: 0 };
const taskNotFound = { code: "task_not_found" };

describe("a deleted task", () => {
  test("is gone at once for all readers and workers, and its runner is marked for removal", async () => {
    await using f = await fixture();
    const { made } = await newBoard(f, 1);
    const [task] = made;
    const queries = new RunQueries(f.db);
    const [lease] = await claim(f.db, "a");
    const run = await queries.getLatestRun(task!.id);
    await f.commands.delete(task!.id);

    await expect(f.tasks.find(f.owner, task!.id)).rejects.toMatchObject(taskNotFound);
    expect((await f.tasks.list(f.owner, { limit: 10, offset: 0 })).tasks).toEqual([]);
    await expect(queries.getRun(f.owner, run!.id)).rejects.toMatchObject({ code: "run_not_found" });
    expect((await queries.list(f.owner, { limit: 10, offset: 0 })).agents).toEqual([]);
    await expect(getVisibleRunner(f.db, f.owner, run!.runner_id!)).rejects.toMatchObject({ code: "runner_not_found" });
    await expect(f.prompt(task!)).rejects.toMatchObject(taskNotFound);
    await expect(f.commands.delete(task!.id)).rejects.toMatchObject(taskNotFound);
    const appending = f.log.write(({ append }) =>
      append(task!.id, [{ data: { kind: "notice", message: "too late" } }]),
    );
    await expect(appending).rejects.toMatchObject(taskNotFound);
    expect(await getLeasedRun(f.db, lease!)).toMatchObject({ status: "STOPPED", desired: "STOP" });
    expect(await f.db.select().from(runners)).toContainEqual(
      expect.objectContaining({ id: run!.runner_id, desired: "DESTROYED" }),
    );
    expect(await f.db.$count(pushes)).toBe(0);
  });

  test("leaves no row after the job, and its branch is removed from the mirror", async () => {
    await using f = await fixture();
    const { id, made } = await newBoard(f, 2);
    await f.commands.delete(made[0]!.id);
    const removed: unknown[] = [];
    await finish(f, { removeBranches: async (...call) => void removed.push(call) });
    expect(removed).toEqual([["mirror", [made[0]!.shadow_branch]]]);
    expect(await f.db.$count(dropped_branches)).toBe(0);
    expect(await countRows(f)).toMatchObject({ boards: 2, tasks: 1, runs: 1, turns: 1, permissions: 1, pushes: 1 });
    expect(await f.log.read(made[0]!.id, 0, 10)).toEqual([]);
    expect((await f.tasks.list(f.owner, { board_id: id, limit: 10, offset: 0 })).total).toBe(1);
  });

  test("with a long log is removed in small steps", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const many = Array.from({ length: 2_600 }, () => ({ data: { kind: "notice" as const, message: "x" } }));
    await f.log.write(({ append }) => append(task.id, many));
    await f.commands.delete(task.id);
    expect(await finish(f)).toBe(6);
    expect(await countRows(f)).toMatchObject(nothing);
  });

  test("keeps its branch listed while the mirror cannot remove it", async () => {
    await using f = await fixture();
    const { made } = await newBoard(f, 1);
    await f.commands.delete(made[0]!.id);
    const removeBranches = async () => Promise.reject(new Error("the disk is full"));
    await finish(f, { removeBranches });
    expect(await f.db.select().from(dropped_branches)).toMatchObject([
      { repository_id: "mirror", branch: made[0]!.shadow_branch, attempts: 1 },
    ]);
    await f.db.update(dropped_branches).set({ next_attempt_at: sql`now()` });
    await finish(f, { removeBranches: async () => undefined });
    expect(await f.db.$count(dropped_branches)).toBe(0);
  });
});

describe("a deleted board", () => {
  test("is gone at once with its tasks; their runs end, their runners are marked for removal, and the rows follow", async () => {
    await using f = await fixture();
    const kept = await f.prompt(await f.newTask());
    const { id, made } = await newBoard(f, 3);
    await f.commands.deleteBoard(id);
    await expect(new Boards(f.db).get(f.owner, id)).rejects.toMatchObject({ code: "board_not_found" });
    await expect(f.tasks.find(f.owner, made[0]!.id)).rejects.toMatchObject(taskNotFound);
    expect((await f.tasks.list(f.owner, { limit: 10, offset: 0 })).total).toBe(1);
    expect((await new RunQueries(f.db).list(f.owner, { limit: 10, offset: 0 })).agents).toMatchObject([
      { id: kept.run_id },
    ]);

    await new Removal({ db: f.db, logger }).step();
    expect(await f.db.selectDistinct({ desired: runners.desired }).from(runners)).toEqual([{ desired: "DESTROYED" }]);
    expect((await claim(f.db, "a")).map(({ run_id }) => run_id)).toEqual([kept.run_id]);
    await finish(f);
    expect(await countRows(f)).toMatchObject({ boards: 1, tasks: 1, runs: 1, turns: 1, permissions: 0, pushes: 0 });
  });

  test("is removed with its archived tasks", async () => {
    await using f = await fixture();
    const { id, made } = await newBoard(f, 2);
    await f.db.update(tasks).set({ archived_at: new Date() }).where(eq(tasks.id, made[1]!.id));
    await f.commands.deleteBoard(id);
    await finish(f);
    expect(await countRows(f)).toMatchObject({ boards: 1, ...nothing });
  });

  test("can be removed by two servers at once, and neither waits for the other's tasks", async () => {
    await using f = await fixture();
    const { id } = await newBoard(f, 0);
    await f.pool.query(
      `insert into tasks (id, board_id, title, description, shadow_branch)
       select gen_random_uuid(), $1, 'a task', 'do it', 'shadow/' || n from generate_series(1, 1500) n`,
      [id],
    );
    await f.commands.deleteBoard(id);
    await Promise.all([finish(f), finish(f)]);
    await finish(f);
    expect(await countRows(f)).toMatchObject({ boards: 1, ...nothing });
  });

  test("is not taken for removed while a writer has locked all of its tasks", async () => {
    await using f = await fixture();
    const { id, made } = await newBoard(f, 1);
    await f.commands.deleteBoard(id);
    const removal = new Removal({ db: f.db, logger });
    const writer = await f.pool.connect();
    const stepDuringWrite = async () => {
      await writer.query("begin");
      await writer.query("select 1 from tasks where id = $1 for no key update", [made[0]!.id]);
      const hasMore = await removal.step();
      await writer.query("commit");
      return hasMore;
    };
    expect(await stepDuringWrite()).toBe(true);
    expect(await removal.step()).toBe(true);
    expect(await f.db.$count(runners, eq(runners.desired, "DESTROYED"))).toBe(1);
    expect(await stepDuringWrite()).toBe(true);
    writer.release();
    await finish(f);
    expect(await countRows(f)).toMatchObject({ boards: 1, ...nothing });
  });
});
