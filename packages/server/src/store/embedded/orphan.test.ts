import { spawn } from "node:child_process";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { databaseFolder, isAlive, query, supervisorProcess, waitUntil } from "../../../test/postgres-process.ts";
import { type PostgresNotice, startEmbeddedPostgres } from "./index.ts";

const asRoot = process.getuid?.() === 0;

const notices = () => {
  const told: PostgresNotice[] = [];
  return {
    told,
    kinds: () => told.map(({ kind }) => kind),
    notify: (notice: PostgresNotice) => void told.push(notice),
  };
};

test("PostgreSQL outlives a server that is killed, and the next server adopts it with its connections", async () => {
  await using place = await databaseFolder();
  await using server = supervisorProcess(place.folder);
  const { ready } = await server.said;
  if (!ready) throw new Error("not ready");
  await query(ready.connection, "create table kept as select 7 as number");
  await server.kill();
  expect(isAlive(ready.pid)).toBe(true);

  const { kinds, told, notify } = notices();
  await using database = await startEmbeddedPostgres({ folder: place.folder, notify });
  expect(database.pid).toBe(ready.pid);
  expect(database.connection).toEqual(ready.connection);
  expect(kinds()).toEqual(["adopted"]);
  expect(await query(database.connection, "select number from kept")).toEqual([{ number: 7 }]);

  // The supervisor also notices the end of a process that is not a child.
  process.kill(ready.pid, "SIGKILL");
  await waitUntil(() => kinds().includes("restarted"));
  expect(told[1]).toMatchObject({ kind: "down", error: { code: "database_unavailable" } });
  expect(database.pid).not.toBe(ready.pid);
  expect(await query(database.connection, "select number from kept")).toEqual([{ number: 7 }]);
  await database.stop();
  expect(isAlive(database.pid)).toBe(false);
});

test("when the server and PostgreSQL are both killed the next start recovers despite their remains", async () => {
  await using place = await databaseFolder();
  await using server = supervisorProcess(place.folder);
  const { ready } = await server.said;
  if (!ready) throw new Error("not ready");
  await query(ready.connection, "create table kept as select 7 as number");
  await server.kill();
  process.kill(ready.pid, "SIGKILL");
  await using database = await startEmbeddedPostgres({ folder: place.folder });
  expect(await query(database.connection, "select number from kept")).toEqual([{ number: 7 }]);
});

test("a process file that names another live process does not prevent PostgreSQL's start", async () => {
  await using place = await databaseFolder();
  const server = supervisorProcess(place.folder);
  const { ready } = await server.said;
  if (!ready) throw new Error("not ready");
  await server.kill();
  process.kill(ready.pid, "SIGKILL");
  await waitUntil(() => !isAlive(ready.pid));
  const stranger = await startStranger(join(place.folder, "data"));
  try {
    const file = join(place.folder, "data/postmaster.pid");
    const [, ...rest] = (await readFile(file, "utf8")).split("\n");
    await writeFile(file, [stranger.pid, ...rest].join("\n"));
    await using database = await startEmbeddedPostgres({ folder: place.folder });
    expect(isAlive(stranger.pid ?? 0)).toBe(true);
    expect(await query(database.connection, "select 1 as one")).toEqual([{ one: 1 }]);
  } finally {
    stranger.kill("SIGKILL");
  }
});

test("a server killed while it creates the cluster leaves nothing that the next one mistakes for a cluster", async () => {
  await using place = await databaseFolder();
  for (const made of ["PG_VERSION", "global", "base"]) {
    await using server = supervisorProcess(place.folder);
    await waitUntil(async () => (await halfMade(place.folder)).includes(made) || existsNow(join(place.folder, "data")));
    await server.kill();
    if (await existsNow(join(place.folder, "data"))) break;
  }
  await using database = await startEmbeddedPostgres({ folder: place.folder });
  expect(await query(database.connection, "select 1 as one")).toEqual([{ one: 1 }]);
  expect((await readdir(place.folder)).filter((name) => name.startsWith("cluster-new-"))).toEqual([]);
});

test("a path too long for a socket uses a private temporary folder that is removed with the server, even a killed one", async () => {
  await using place = await databaseFolder("a-rather-long-name-".repeat(6));
  const listTemporaryFolders = async () =>
    (await readdir(tmpdir())).filter((name) => name.startsWith("wharf-postgres-"));
  const before = await listTemporaryFolders();
  await using server = supervisorProcess(place.folder);
  const { ready } = await server.said;
  if (!ready) throw new Error("not ready");
  expect(dirname(ready.connection.host)).toBe(tmpdir());
  expect((await stat(ready.connection.host)).mode & 0o777).toBe(0o700);
  await server.kill();
  process.kill(ready.pid, "SIGKILL");

  const database = await startEmbeddedPostgres({ folder: place.folder });
  expect(await query(database.connection, "select 1 as one")).toEqual([{ one: 1 }]);
  expect(await listTemporaryFolders()).toHaveLength(before.length + 1);
  await database.stop();
  expect(await listTemporaryFolders()).toEqual(before);
});

const existsNow = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

async function halfMade(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const unfinished = names.find((name) => name.startsWith("cluster-new-"));
  return unfinished ? readdir(join(folder, unfinished, "data")).catch(() => []) : [];
}

/**
 * Starts a process of the database's user that is not PostgreSQL, as a reused process id would name
 * it.
 */
async function startStranger(dataFolder: string) {
  const { uid, gid } = await stat(dataFolder);
  return spawn("sleep", ["30"], { ...(asRoot && { uid, gid }), cwd: "/", stdio: "ignore" });
}
