import { setImmediate } from "node:timers/promises";
import type { Event } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { describe, expect, onTestFinished, test } from "vitest";
import { testDatabase, type TestDatabase } from "../../test/database.ts";
import { ensureOwner } from "../access/index.ts";
import { Notifications, openDatabase } from "../store/index.ts";
import { followTaskLog } from "./follow.ts";
import type { FollowerOptions } from "./followers.ts";
import { Log } from "./log.ts";

const entry = (message: string) => ({ data: { kind: "notice" as const, message } });

async function sharedDatabase(): Promise<TestDatabase> {
  const database = await testDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  return database;
}

/**
 * A server process on a database, with its own connections and log. It counts the statements
 * outside transactions.
 */
async function openProcess(database: TestDatabase, options: FollowerOptions & { deaf?: boolean } = {}) {
  const { db, pool, close } = openDatabase({ ...database.connection, max: 4 }, () => undefined);
  onTestFinished(close);
  let statements = 0;
  pool.query = new Proxy(pool.query, {
    apply(query, self, parameters) {
      statements++;
      return Reflect.apply(query, self, parameters);
    },
  });
  const { deaf = false, ...rest } = options;
  const notifications = deaf
    ? undefined
    : new Notifications({ connection: database.connection, onError: () => undefined });
  if (notifications) {
    onTestFinished(() => notifications[Symbol.asyncDispose]());
    const listening = Promise.withResolvers<void>();
    notifications.subscribe({ onMissed: listening.resolve });
    await listening.promise;
  }
  const log = new Log(db, { notifications, ...rest });
  const append = (task: TestTask, count = 1) =>
    log.write(({ append }) =>
      append(
        task.id,
        Array.from({ length: count }, (_, n) => entry(`${n}`)),
      ),
    );
  return { db, log, append, statements: () => statements, resetStatements: () => (statements = 0) };
}
type Process = Awaited<ReturnType<typeof openProcess>>;

interface TestTask {
  readonly id: string;
}

/** Creates tasks without a log. */
async function insertTasks({ db }: Process, count: number): Promise<readonly TestTask[]> {
  const { default_board_id } = await ensureOwner(db);
  const { rows } = await db.execute<{ id: string }>(
    sql`insert into tasks (id, board_id, title, description, shadow_branch)
      select gen_random_uuid(), ${default_board_id}, 'a task', '', 'a branch' from generate_series(1, ${count}) returning id`,
  );
  return rows;
}

/** Creates a task whose log has one entry. */
async function newTask(own: Process): Promise<TestTask> {
  const [task] = await insertTasks(own, 1);
  await own.append(task!);
  return task!;
}

/** A viewer of a task until the test ends. */
class TestViewer {
  readonly seqs: number[] = [];
  readonly ended: Promise<void>;
  #check: () => void = () => undefined;

  constructor(log: Log, task: TestTask, after = 0) {
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    this.ended = this.#view(followTaskLog(log, task.id, { after, signal: stop.signal }));
    this.ended.catch(() => undefined);
  }

  async #view(events: AsyncIterable<readonly Event[]>): Promise<void> {
    for await (const batch of events) {
      this.seqs.push(...batch.map(({ seq }) => seq));
      this.#check();
    }
  }

  async until(seq: number): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#check = () => (this.seqs.at(-1) ?? 0) >= seq && resolve();
      this.#check();
    });
    await Promise.race([reached, this.ended]);
  }
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

const breakListeners = (database: TestDatabase) =>
  database.pool.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'wharf notifications' and datname = current_database()",
  );

describe("viewers of a task", () => {
  test("share events appended in their process, so that a thousand viewers cost no read", async () => {
    const database = await sharedDatabase();
    const own = await openProcess(database, { deaf: true });
    const task = await newTask(own);
    const viewers = Array.from({ length: 1_000 }, () => new TestViewer(own.log, task, 1));
    await own.append(task);
    await Promise.all(viewers.map((viewer) => viewer.until(2)));
    own.resetStatements();
    for (let seq = 12; seq <= 102; seq += 10) {
      await own.append(task, 10);
      await Promise.all(viewers.map((viewer) => viewer.until(seq)));
    }
    expect(own.statements()).toBe(0);
    for (const { seqs } of viewers) expect(seqs).toEqual(upTo(102, 2));
  });

  test("share one read of events that another process appended, so that a thousand viewers cost one read per batch", async () => {
    const database = await sharedDatabase();
    const [own, other] = await Promise.all([openProcess(database), openProcess(database)]);
    const task = await newTask(other);
    const viewers = Array.from({ length: 1_000 }, () => new TestViewer(own.log, task, 1));
    await other.append(task);
    await Promise.all(viewers.map((viewer) => viewer.until(2)));
    own.resetStatements();
    for (let seq = 12; seq <= 102; seq += 10) {
      await other.append(task, 10);
      await Promise.all(viewers.map((viewer) => viewer.until(seq)));
    }
    expect(own.statements()).toBeLessThanOrEqual(10);
    for (const { seqs } of viewers) expect(seqs).toEqual(upTo(102, 2));
  });

  test("of a thousand tasks without new events cost one statement per check, however many there are", async () => {
    const database = await sharedDatabase();
    const own = await openProcess(database, { lookIntervalMs: 200 });
    const tasks = await insertTasks(own, 1_000);
    own.resetStatements();
    let looks = 0;
    const lookedUp = Promise.withResolvers<void>();
    const readLastSeqs = own.log.readLastSeqs.bind(own.log);
    own.log.readLastSeqs = async (taskIds) => {
      if (taskIds.length < 1_000) throw new Error(`only ${taskIds.length} of 1,000 tasks were looked up`);
      const seqs = await readLastSeqs(taskIds);
      if (++looks === 3) lookedUp.resolve();
      return seqs;
    };
    const viewers = tasks.flatMap((task) => Array.from({ length: 50 }, () => new TestViewer(own.log, task)));
    await Promise.race([lookedUp.promise, ...viewers.map(({ ended }) => ended)]);
    expect(own.statements()).toBe(looks);
  });

  test("in two processes see each other's appends once and in order, even if the connections break", async () => {
    const database = await sharedDatabase();
    const processes = await Promise.all([openProcess(database), openProcess(database)]);
    const task = await newTask(processes[0]);
    const viewers = processes.map(({ log }) => new TestViewer(log, task));
    const writing = processes.map(async ({ append }) => {
      for (let n = 0; n < 100; n++) {
        await append(task, 3);
        if (n % 20 === 10) await breakListeners(database);
      }
    });
    await Promise.all(writing);
    await Promise.all(viewers.map((viewer) => viewer.until(601)));
    for (const { seqs } of viewers) expect(seqs).toEqual(upTo(601));
  });

  test("find events without a notification at the next check", async () => {
    const database = await sharedDatabase();
    const own = await openProcess(database, { deaf: true, lookIntervalMs: 20 });
    const other = await openProcess(database, { deaf: true });
    const task = await newTask(other);
    const viewer = new TestViewer(own.log, task);
    for (let seq = 2; seq <= 5; seq++) {
      await other.append(task);
      await viewer.until(seq);
    }
    expect(viewer.seqs).toEqual(upTo(5));
  });

  test("miss no events that are committed while they join", async () => {
    const database = await sharedDatabase();
    const [own, other] = await Promise.all([openProcess(database), openProcess(database)]);
    const task = await newTask(own);
    const viewers: TestViewer[] = [];
    const writing = Promise.all(
      [own, other].map(async ({ append }) => {
        for (let n = 0; n < 50; n++) await append(task, 2);
      }),
    );
    for (let n = 0; n < 50; n++) {
      viewers.push(new TestViewer(own.log, task, n), new TestViewer(other.log, task, 0));
      await setImmediate();
    }
    await writing;
    await Promise.all(viewers.map((viewer) => viewer.until(201)));
    for (const [i, { seqs }] of viewers.entries()) expect(seqs).toEqual(upTo(201, i % 2 === 0 ? i / 2 + 1 : 1));
  });

  test("that fall behind during a read continue at once without a notification", async () => {
    const database = await sharedDatabase();
    const own = await openProcess(database, { deaf: true });
    const task = await newTask(own);
    const read = own.log.read.bind(own.log);
    const reading = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    own.log.read = async (...parameters) => {
      const page = await read(...parameters);
      reading.resolve();
      await goOn.promise;
      return page;
    };
    const viewer = new TestViewer(own.log, task);
    await reading.promise;
    // More events than a feed keeps, all during the read of the first page.
    for (let n = 0; n < 30; n++) await own.append(task, 100);
    goOn.resolve();
    await viewer.until(3_001);
    expect(viewer.seqs).toEqual(upTo(3_001));
  });

  test("survive a temporary database failure and end with a permanent error", async () => {
    const database = await sharedDatabase();
    const own = await openProcess(database, { deaf: true });
    const task = await newTask(own);
    const read = own.log.read.bind(own.log);
    const failures: Error[] = [
      Object.assign(new Error("terminating connection"), { code: "57P01" }),
      new Error("Connection terminated unexpectedly"),
    ];
    own.log.read = async (...parameters) => {
      const failure = failures.shift();
      if (failure) throw failure;
      return read(...parameters);
    };
    const viewer = new TestViewer(own.log, task);
    await viewer.until(1);
    expect(viewer.seqs).toEqual([1]);
    failures.push(new Error("column does not exist"));
    await expect(new TestViewer(own.log, task).ended).rejects.toThrow("column does not exist");
    await own.append(task);
    await viewer.until(2);
  });

  test("ignore a notified sequence that the log does not have", async () => {
    const database = await sharedDatabase();
    const own = await openProcess(database);
    const task = await newTask(own);
    const viewer = new TestViewer(own.log, task);
    await viewer.until(1);
    own.resetStatements();
    await database.pool.query("select pg_notify('wharf', $1)", [
      JSON.stringify({ from: "someone", tasks: [[task.id, 1_000_000]] }),
    ]);
    await database.pool.query("select pg_notify('wharf', 'nonsense')");
    await expect.poll(own.statements).toBe(1);
    await own.append(task);
    await viewer.until(2);
    expect(viewer.seqs).toEqual([1, 2]);
    // Allows one page and the empty page after it.
    expect(own.statements()).toBeLessThanOrEqual(2);
  });

  test("end when the task and its log no longer exist", async () => {
    const database = await sharedDatabase();
    const own = await openProcess(database, { deaf: true });
    const task = await newTask(own);
    await own.append(task, 10);
    const viewer = new TestViewer(own.log, task, 11);
    const read = own.log.read.bind(own.log);
    own.log.read = async (...parameters) => {
      await own.db.execute(sql`delete from tasks`);
      return read(...parameters);
    };
    await expect(new TestViewer(own.log, task).ended).rejects.toMatchObject({ code: "task_not_found" });
    expect(viewer.seqs).toEqual([]);
  });
});
