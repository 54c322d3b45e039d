import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { databaseFolder, isAlive, query, supervisorProcess } from "../../../test/postgres-process.ts";
import { type PostgresNotice, startEmbeddedPostgres } from "./index.ts";

const notices = () => {
  const told: PostgresNotice[] = [];
  return { kinds: () => told.map(({ kind }) => kind), notify: (notice: PostgresNotice) => void told.push(notice) };
};

test("a first start creates a cluster, a later one finds its data, and stopping leaves no process", async () => {
  await using place = await databaseFolder();
  const { kinds, notify } = notices();
  const first = await startEmbeddedPostgres({ folder: place.folder, notify });
  await query(first.connection, "create table kept as select 'here' as word");
  await first.stop();
  await first.exited;
  expect(isAlive(first.pid)).toBe(false);

  const second = await startEmbeddedPostgres({ folder: place.folder, notify });
  expect(await query(second.connection, "select word from kept")).toEqual([{ word: "here" }]);
  await Promise.all([second.stop(), second.stop()]);
  expect(kinds()).toEqual(["initialized", "started", "started"]);
  expect((await readdir(place.folder)).toSorted()).toEqual(["data", "postgres.log", "wharf.lock"]);
});

test("commits are durable, memory is small and private, and nothing listens on the network", async () => {
  await using place = await databaseFolder();
  await using database = await startEmbeddedPostgres({ folder: place.folder });
  const settings = await query(
    database.connection,
    `select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'jit',
     'max_connections', 'dynamic_shared_memory_type', 'data_checksums', 'server_encoding', 'lc_collate') union select 'collation', datcollate from pg_database where datname = 'postgres'`,
  );
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: "on",
    synchronous_commit: "on",
    full_page_writes: "on",
    listen_addresses: "",
    jit: "off",
    max_connections: "100",
    dynamic_shared_memory_type: "mmap",
    data_checksums: "on",
    server_encoding: "UTF8",
    collation: "C",
  });
});

test("a second server on the folder is refused with the first one's process id", async () => {
  await using place = await databaseFolder();
  await using _database = await startEmbeddedPostgres({ folder: place.folder });
  const refused = { code: "data_folder_busy", message: expect.stringContaining(`${process.pid}`) };
  await expect(startEmbeddedPostgres({ folder: place.folder })).rejects.toMatchObject(refused);
  await using other = supervisorProcess(place.folder);
  expect((await other.said).error).toMatchObject(refused);
});

test("an aborted start leaves no process", async () => {
  await using place = await databaseFolder();
  for (const ms of [1, 60, 150, 300, 420]) {
    const signal = AbortSignal.timeout(ms);
    const outcome = await startEmbeddedPostgres({ folder: place.folder, signal }).catch((error: unknown) => error);
    if (outcome instanceof Error) expect(outcome.name).toBe("TimeoutError");
    else await (outcome as AsyncDisposable)[Symbol.asyncDispose]();
    expect(await existsNow(join(place.folder, "data/postmaster.pid"))).toBe(false);
  }
  await using database = await startEmbeddedPostgres({ folder: place.folder });
  expect(await query(database.connection, "select 1 as one")).toEqual([{ one: 1 }]);
});

const existsNow = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
