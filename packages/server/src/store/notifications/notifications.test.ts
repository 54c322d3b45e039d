import { randomUUID } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { testDatabase, type TestDatabase } from "../../../test/database.ts";
import { ChangeBatch, encodeChanges, parseChanges } from "./changes.ts";
import { Notifications } from "./notifications.ts";

/** Opens one process: the changes that it publishes, and those that it receives from the others. */
async function openProcess(database: TestDatabase) {
  const errors: Error[] = [];
  const heard: string[] = [];
  let missed = 0;
  let check: () => void = () => undefined;
  const notifications = new Notifications({
    connection: database.connection,
    onError: (error) => (errors.push(error), check()),
  });
  onTestFinished(() => notifications[Symbol.asyncDispose]());
  notifications.subscribe({
    onTask: (taskId, lastSeq) => (heard.push(`${taskId} ${lastSeq}`), check()),
    onWakeup: (name = "everyone") => (heard.push(name), check()),
    onMissed: () => (missed++, check()),
  });
  /** Waits until the received changes satisfy the condition. */
  const waitUntil = (condition: () => boolean) =>
    new Promise<void>((resolve) => {
      check = () => condition() && resolve();
      check();
    });
  await waitUntil(() => missed === 1);
  return { notifications, heard, errors, until: waitUntil, missed: () => missed };
}

async function openDatabase(): Promise<TestDatabase> {
  const database = await testDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  return database;
}

const breakConnections = (database: TestDatabase) =>
  database.pool.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'wharf notifications' and datname = current_database()",
  );

describe("notifications", () => {
  test("reach every other process and never come back to their own", async () => {
    const database = await openDatabase();
    const [a, b, c] = await Promise.all([openProcess(database), openProcess(database), openProcess(database)]);
    a.notifications.publishTask("task", 7);
    a.notifications.publishWakeup("queue");
    a.notifications.publishWakeup();
    b.notifications.publishWakeup("from b");
    const all = ["everyone", "from b", "queue", "task 7"];
    await Promise.all([b.until(() => b.heard.length === 3), c.until(() => c.heard.length === 4)]);
    await a.until(() => a.heard.length === 1);
    expect(a.heard).toEqual(["from b"]);
    expect(b.heard.toSorted()).toEqual(all.filter((entry) => entry !== "from b"));
    expect(c.heard.toSorted()).toEqual(all);
  });

  test("about one task in a row are sent as one", async () => {
    const database = await openDatabase();
    const [a, b] = await Promise.all([openProcess(database), openProcess(database)]);
    for (let seq = 1; seq <= 1_000; seq++) a.notifications.publishTask("task", seq);
    await b.until(() => b.heard.includes("task 1000"));
    expect(b.heard.length).toBeLessThan(3);
  });

  test("wait while the connection is broken, and then all subscribers are told to check", async () => {
    const database = await openDatabase();
    const [a, b] = await Promise.all([openProcess(database), openProcess(database)]);
    await breakConnections(database);
    await Promise.all([a, b].map((process) => process.until(() => process.errors.length > 0)));
    a.notifications.publishTask("task", 1);
    await b.until(() => b.missed() === 2);
    await a.until(() => a.missed() === 2);
    a.notifications.publishTask("task", 2);
    await b.until(() => b.heard.some((entry) => entry === "task 2"));
  });

  test("are sent before the process stops", async () => {
    const database = await openDatabase();
    const [a, b] = await Promise.all([openProcess(database), openProcess(database)]);
    a.notifications.publishWakeup("first");
    a.notifications.publishWakeup("last");
    await a.notifications[Symbol.asyncDispose]();
    await b.until(() => b.heard.includes("last"));
  });
});

describe("a payload", () => {
  test("never exceeds PostgreSQL's limit, and omits nothing", () => {
    const batch = new ChangeBatch();
    for (let n = 0; n < 2_000; n++) {
      batch.addTask(randomUUID(), Number.MAX_SAFE_INTEGER - n);
      batch.addName(`ü"${"x".repeat(150)}${n}`);
    }
    const payloads = encodeChanges(randomUUID(), batch);
    expect(Math.max(...payloads.map((payload) => Buffer.byteLength(payload)))).toBeLessThan(8_000);
    const parsed = new ChangeBatch();
    for (const payload of payloads) parsed.addAll(parseChanges("other", payload)!);
    expect(parsed).toEqual(batch);
  });

  test("of too many changes reports that some are missing", () => {
    const batch = new ChangeBatch();
    for (let n = 0; n < 10_001; n++) batch.addName(`name ${n}`);
    expect(batch).toMatchObject({ missed: true });
    expect(batch.names.size).toBeLessThan(10_001);
    expect(parseChanges("other", encodeChanges("own", batch)[0]!)).toMatchObject({ missed: true });
  });

  test.each(["", "no json", "{}", '{"from":1}', '{"from":"x","tasks":[["t",-1]]}', "null"])(
    "that no Wharf server wrote is ignored: %s",
    (payload) => {
      expect(parseChanges("own", payload)).toBeUndefined();
    },
  );
});
