import { eq, sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { listVisibleRunners } from "../../runners/standalone/standalone-rows.ts";
import { schema } from "../../store/index.ts";
import { Boards } from "../../tasks/index.ts";
import { Queue } from "../queue/queue.ts";
import { RunQueries } from "./run-queries.ts";

const { runners, runs, tasks, turns, users } = schema;

interface AnyPage<T> {
  readonly rows: readonly T[];
  readonly next_cursor?: string | undefined;
}

/** Reads all pages of a list, one after the other. */
async function readAll<T>(read: (cursor?: string) => Promise<AnyPage<T>>): Promise<{ rows: T[]; pages: number }> {
  const rows: T[] = [];
  let cursor: string | undefined;
  for (let pages = 1; ; pages++) {
    const page = await read(cursor);
    rows.push(...page.rows);
    cursor = page.next_cursor;
    if (cursor === undefined) return { rows, pages };
  }
}

/**
 * Creates two boards whose rows alternate in time, several of them in one microsecond, and a board
 * of another person.
 */
async function seed(f: Fixture, count: number): Promise<{ boardId: string }> {
  const { id: boardId } = await new Boards(f.db).create(f.owner, { name: "second", description: "" });
  const strangerId = crypto.randomUUID();
  const stranger = { id: strangerId, email: "s@localhost", username: "s" };
  await f.db.insert(users).values(stranger);
  const other = await new Boards(f.db).create({ ...f.owner, user_id: strangerId }, { name: "other", description: "" });
  for (const [n, board] of [f.owner.default_board_id, boardId, other.id].entries()) {
    await f.pool.query(
      `with t as (
         insert into tasks (id, board_id, title, description, shadow_branch, priority, created_at)
         select gen_random_uuid(), $1, 'a task', 'do it', '', i % 3, now() - make_interval(secs => (i / 3) + $3)
         from generate_series(1, $2::int) i returning *
       ), r as (
         insert into runs (id, task_id, board_id, agent_type, priority, queued_at, created_at)
         select gen_random_uuid(), id, $1, 'demo', priority, created_at, created_at from t
       )
       insert into runners (id, board_id, backend, tier, created_at)
       select gen_random_uuid(), $1, 'local', 'small', created_at from t`,
      [board, count, n],
    );
  }
  return { boardId };
}

/** Returns the owner as a member, who sees only the boards that they are on. */
const toMember = (f: Fixture) => ({ ...f.owner, role: "member" as const });

describe("a list in pages", () => {
  test("has every task of the user's own boards once, newest first, for any page size", async () => {
    await using f = await fixture();
    const { boardId } = await seed(f, 40);
    const person = toMember(f);
    for (const limit of [7, 80, 1000]) {
      const { rows, pages } = await readAll(async (cursor) => {
        const { tasks: page, next_cursor, total } = await f.tasks.list(person, { limit, cursor });
        expect(total).toBe(80);
        return { rows: page, next_cursor };
      });
      expect(pages).toBe(Math.ceil(80 / limit));
      expect(new Set(rows.map(({ id }) => id)).size).toBe(80);
      const times = rows.map(({ created_at }) => created_at.getTime());
      expect(times).toEqual(times.toSorted((a, b) => b - a));
    }
    const one = await f.tasks.list(person, { limit: 100, board_id: boardId });
    expect(one.tasks).toHaveLength(40);
    expect(await f.tasks.list(person, { limit: 100, state: "FAILED" })).toEqual({ tasks: [], total: 0 });
    expect((await f.tasks.list(person, { limit: 100, offset: 75 })).tasks).toHaveLength(5);
    expect(await f.tasks.list(f.owner, { limit: 1 })).toMatchObject({ total: 120 });
  });

  test("continues where it stopped while new rows are added", async () => {
    await using f = await fixture();
    await seed(f, 10);
    const person = toMember(f);
    const first = await f.tasks.list(person, { limit: 15 });
    await f.newTask();
    const second = await f.tasks.list(person, { limit: 15, cursor: first.next_cursor });
    expect(second.tasks).toHaveLength(5);
    expect(first.tasks.some(({ id }) => second.tasks.some((task) => task.id === id))).toBe(false);
  });

  test("has every run and every runner once", async () => {
    await using f = await fixture();
    await seed(f, 20);
    const person = toMember(f);
    const { user_id: owner_id, organization_id } = person;
    const values = { id: crypto.randomUUID(), backend: "local", tier: "small", owner_id, organization_id } as const;
    await f.db.insert(runners).values(values);
    const queries = new RunQueries(f.db);
    const agents = await readAll(async (cursor) => {
      const { agents: rows, next_cursor, total } = await queries.list(person, { limit: 9, cursor });
      expect(total).toBe(40);
      return { rows, next_cursor };
    });
    expect(new Set(agents.rows.map(({ id }) => id)).size).toBe(40);
    const seen = await readAll(async (cursor) => {
      const { runners: rows, next_cursor, total } = await listVisibleRunners(f.db, person, { limit: 9, cursor });
      expect(total).toBe(41);
      return { rows, next_cursor };
    });
    expect(new Set(seen.rows.map(({ id }) => id)).size).toBe(41);
    expect(seen.rows[0]).not.toHaveProperty("environment");
  });

  test("of one task's runs and turns has pages too", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const [first] = [await f.prompt(task, "first"), await f.prompt(task, "second"), await f.prompt(task, "third")];
    await f.db.update(runs).set({ status: "STOPPED", queued_at: null });
    await f.db.update(turns).set({ state: "CANCELLED" });
    await f.prompt(task, "fourth");
    const queries = new RunQueries(f.db);
    const { rows } = await readAll(async (cursor) => {
      const { turns: page, next_cursor } = await queries.listTurns(task.id, { limit: 3, cursor });
      return { rows: page, next_cursor };
    });
    expect(rows.map(({ prompt }) => prompt)).toEqual(["first", "second", "third", "fourth"]);
    const newest = await queries.listForTask(task.id, { limit: 1 });
    expect(newest.agents).toMatchObject([{ id: rows[3]?.run_id }]);
    const older = await queries.listForTask(task.id, { limit: 1, cursor: newest.next_cursor });
    expect(older).toMatchObject({ agents: [{ id: first?.run_id }] });
    expect(older.next_cursor).toBeUndefined();
  });

  test.each(["", "x", "e30", Buffer.from('["now()","x"]').toString("base64url"), "W10"])(
    "refuses %j as a cursor",
    async (cursor) => {
      await using f = await fixture();
      const refused = { code: "bad_request" };
      await expect(f.tasks.list(f.owner, { limit: 1, cursor })).rejects.toMatchObject(refused);
      await expect(
        new Queue(f.db, { maxRuns: 8, scope: "all" }).list(f.owner, { limit: 1, cursor }),
      ).rejects.toMatchObject(refused);
    },
  );

  test("is counted up to a limit", async () => {
    await using f = await fixture();
    await seed(f, 600);
    expect(await f.tasks.list(f.owner, { limit: 1 })).toMatchObject({ total: 1_000, total_capped: true });
  });
});

describe("a page", () => {
  test("of tasks omits long texts and has at most a megabyte", async () => {
    await using f = await fixture();
    await f.pool.query(
      `insert into tasks (id, board_id, title, description, shadow_branch, repository_url, metadata)
       select gen_random_uuid(), $1, 'a task', repeat('d', 200000), '', repeat('r', 2000), '{"a": 1}'
       from generate_series(1, 900)`,
      [f.owner.default_board_id],
    );
    const list = (cursor?: string) => f.tasks.list(f.owner, { limit: 1000, cursor });
    const page = await list();
    expect(page.tasks[0]).not.toHaveProperty("description");
    expect(page.tasks[0]).not.toHaveProperty("metadata");
    expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(1.1 * (1 << 20));
    const { rows, pages } = await readAll(async (cursor) => {
      const { tasks: part, next_cursor } = await list(cursor);
      return { rows: part, next_cursor };
    });
    expect(pages).toBeGreaterThan(1);
    expect(rows).toHaveLength(900);
    const [task] = rows;
    expect((await f.tasks.find(f.owner, task!.id)).description).toHaveLength(200_000);
  });

  test("of turns ends before prompts that do not fit", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    for (let i = 0; i < 12; i++) await f.prompt(task, `${i} ${"p".repeat(199_000)}`);
    const queries = new RunQueries(f.db);
    const { rows, pages } = await readAll(async (cursor) => {
      const { turns: page, next_cursor } = await queries.listTurns(task.id, { limit: 100, cursor });
      expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(1.1 * (1 << 20));
      return { rows: page, next_cursor };
    });
    expect(pages).toBe(3);
    expect(rows).toHaveLength(12);
  });

  test("of a log ends before events that do not fit, even if an earlier version wrote them", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const data = { kind: "output" as const, stream: "stdout" as const, text: "o".repeat(250_000) };
    await f.log.write(({ append }) =>
      append(
        task.id,
        Array.from({ length: 20 }, () => ({ data })),
      ),
    );
    const page = await f.log.read(task.id, 0, 1000);
    expect(page.length).toBeLessThan(8);
    expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(1.5 * (1 << 20));
    let seq = 0;
    let count = 0;
    for (let events = page; events.length > 0; events = await f.log.read(task.id, seq, 1000)) {
      seq = events.at(-1)!.seq;
      count += events.length;
    }
    expect(count).toBe(21);
    // An event larger than the limit gets a separate page.
    const large = { ...data, text: "o".repeat(3 << 20) };
    await f.log.write(({ append }) => append(task.id, [{ data: large }, { data }]));
    expect(await f.log.read(task.id, 21, 1000)).toHaveLength(1);
    const random = sql`jsonb_build_object('kind', 'notice', 'message', (
      select string_agg(md5(${tasks.id}::text || n::text), '') from generate_series(1, 8000) n))`;
    await f.db.execute(sql`
      update events set bytes = 0, data = ${random} from tasks where tasks.id = events.task_id and seq between 2 and 21`);
    expect((await f.log.read(task.id, 0, 1000)).length).toBeLessThan(12);
    expect((await f.db.select().from(tasks).where(eq(tasks.id, task.id)))[0]?.last_seq).toBe(23);
  });
});
