import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm, rmdir, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { isAlive, query, waitUntil } from "../../../test/postgres-process.ts";
import { type PostgresNotice, startEmbeddedPostgres } from "./index.ts";

const canMount =
  process.getuid?.() === 0 && process.platform === "linux" && spawnSync("unshare", ["--mount", "true"]).status === 0;

describe.runIf(canMount)("a database on a disk that becomes full (needs root on Linux to mount one)", () => {
  test("reports it, keeps trying, and has every committed row when there is space again", async () => {
    await using disk = await smallDisk();
    const told: PostgresNotice[] = [];
    const downs = () => told.flatMap((notice) => (notice.kind === "down" ? [notice] : []));
    await using database = await startEmbeddedPostgres({
      folder: disk.folder,
      notify: (notice) => void told.push(notice),
    });
    await query(database.connection, "create table kept (id serial primary key, text text)");
    await disk.fill(2e6);

    const committed = await writeUntil(database.connection, () => downs().length > 0);
    await waitUntil(() => downs().length > 2);
    expect(downs().map(({ error }) => error.code)).toEqual(downs().map(() => "disk_full"));
    expect(downs()[2]?.retry_ms).toBeGreaterThan(downs()[0]?.retry_ms ?? Infinity);

    await disk.free();
    await waitUntil(() => told.some(({ kind }) => kind === "restarted"));
    const rows = await query(database.connection, "select id from kept");
    const found = new Set(rows.map(({ id }) => id));
    expect(committed.length).toBeGreaterThan(0);
    expect(committed.filter((id) => !found.has(id))).toEqual([]);
    await query(database.connection, "insert into kept (text) values ('again')");
    await database.stop();
    expect(isAlive(database.pid)).toBe(false);
  });

  test("is refused as full on its first start, leaves nothing unfinished, and starts when there is space", async () => {
    await using disk = await smallDisk();
    await disk.fill(10e6);
    await expect(startEmbeddedPostgres({ folder: disk.folder })).rejects.toMatchObject({ code: "disk_full" });
    expect((await readdir(disk.folder)).filter((name) => name !== "wharf.lock")).toEqual([]);
    await disk.free();
    await using database = await startEmbeddedPostgres({ folder: disk.folder });
    expect(await query(database.connection, "select 1 as one")).toEqual([{ one: 1 }]);
  });
});

/** Mounts 96 MB of memory: room for one cluster and little more. */
async function smallDisk() {
  const mount = await mkdtemp(join(tmpdir(), "wharf-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=96m,mode=755", "tmpfs", mount]);
  const ballast = join(mount, "ballast");
  return {
    folder: join(mount, "postgres"),
    async fill(leaveBytes: number) {
      const { bavail, bsize } = await statfs(mount);
      await writeFile(ballast, Buffer.alloc(bavail * bsize - leaveBytes));
    },
    free: () => rm(ballast),
    async [Symbol.asyncDispose]() {
      execFileSync("umount", [mount]);
      await rmdir(mount);
    },
  };
}

/**
 * Returns the ids of the committed rows. Each row adds 100 kB to the write-ahead log, which fills
 * before the tables do.
 */
async function writeUntil(connection: pg.ClientConfig, over: () => boolean): Promise<number[]> {
  const pool = new pg.Pool({ ...connection, max: 1 });
  pool.on("error", () => undefined).on("connect", (client) => void client.on("error", () => undefined));
  const ids: number[] = [];
  while (!over()) {
    const inserted = await pool
      .query<{ id: number }>(
        "insert into kept (text) select pg_logical_emit_message(true, 'fill', repeat('x', 100000))::text returning id",
      )
      .catch(() => undefined);
    const id = inserted?.rows[0]?.id;
    if (id) ids.push(id);
  }
  await pool.end();
  return ids;
}
