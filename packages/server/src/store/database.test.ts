import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { testDatabase } from "../../test/database.ts";
import { openDatabase } from "./database.ts";
import { assertOutsideTransaction, guardFromTransactions } from "./transaction-guard.ts";

async function open() {
  const database = await testDatabase();
  const opened = openDatabase({ ...database.connection, max: 2 }, () => undefined);
  return {
    ...opened,
    async [Symbol.asyncDispose]() {
      await opened.close();
      await database[Symbol.asyncDispose]();
    },
  };
}

test("a transaction that asks for a second connection fails instead of waiting for itself", async () => {
  await using store = await open();
  const nested = store.db.transaction(async (tx) => {
    await tx.execute(sql`select 1`);
    await store.db.execute(sql`select 1`);
  });
  const refusal = { message: "A second database connection must not be used inside a transaction." };
  await expect(nested).rejects.toMatchObject({ cause: refusal });
  const other = store.db.transaction(() => store.background.execute(sql`select 1`));
  await expect(other).rejects.toMatchObject({ cause: refusal });
  await store.db.execute(sql`select 1`);
});

test("work that a transaction started may use the database after its end", async () => {
  await using store = await open();
  const later = Promise.withResolvers<void>();
  let use: Promise<unknown> | undefined;
  await store.db.transaction(async () => {
    expect(() => assertOutsideTransaction("git")).toThrow("git must not be used inside a transaction.");
    use = later.promise.then(() => store.db.execute(sql`select 1`));
  });
  later.resolve();
  await use;
});

test("loops have their own connections when requests use up all others", async () => {
  await using store = await open();
  const held = Promise.withResolvers<void>();
  const started = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const requests = started.map(({ resolve }) =>
    store.db.transaction(async (tx) => {
      await tx.execute(sql`select 1`);
      resolve();
      await held.promise;
    }),
  );
  await Promise.all(started.map(({ promise }) => promise));
  await store.background.execute(sql`select 1`);
  held.resolve();
  await Promise.all(requests);
});

test("every connection has a limit for statements, locks and forgotten transactions", async () => {
  await using store = await open();
  const names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
  for (const db of [store.db, store.background]) {
    const { rows } = await db.execute<{ name: string; setting: string }>(
      sql`select name, setting from pg_settings where name in ${names} order by name`,
    );
    expect(rows.map((row) => [row.name, row.setting])).toEqual([
      ["idle_in_transaction_session_timeout", "30000"],
      ["lock_timeout", "10000"],
      ["statement_timeout", "30000"],
    ]);
  }
});

test("a guarded object refuses calls inside a transaction and works outside", async () => {
  await using store = await open();
  const guarded = guardFromTransactions({ name: "local", async stop() {} }, "A backend");
  const refused = store.db.transaction(() => guarded.stop());
  await expect(refused).rejects.toThrow("A backend must not be used inside a transaction.");
  expect(guarded.name).toBe("local");
  await guarded.stop();
});

test("a statement that is executed often is planned once", async () => {
  await using store = await open();
  const read = (n: number) => store.db.execute(sql`select ${n}::int + 40_002 as sum`);
  const listPlanned = () =>
    store.db.execute(sql`select statement from pg_prepared_statements where statement like '%40_002 as sum'`);
  for (let n = 1; n < 20; n++) expect((await read(n)).rows).toEqual([{ sum: n + 40_002 }]);
  expect((await listPlanned()).rows).toEqual([]);
  for (let n = 20; n < 30; n++) expect((await read(n)).rows).toEqual([{ sum: n + 40_002 }]);
  expect((await listPlanned()).rows).toEqual([{ statement: "select $1::int + 40_002 as sum" }]);
});
