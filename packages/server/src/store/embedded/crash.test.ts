import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { expect, test } from "vitest";
import { databaseFolder, query, waitUntil } from "../../../test/postgres-process.ts";
import { type PostgresNotice, startEmbeddedPostgres } from "./index.ts";

const rounds = 20;

test(
  "PostgreSQL killed 20 times during commits restarts automatically with every committed row",
  { timeout: 60_000 },
  async () => {
    await using place = await databaseFolder();
    const told: PostgresNotice[] = [];
    await using database = await startEmbeddedPostgres({
      folder: place.folder,
      notify: (notice) => void told.push(notice),
    });
    await query(database.connection, "create table kept (id bigint primary key)");
    const pool = new pg.Pool({ ...database.connection, max: 4 });
    pool.on("error", () => undefined).on("connect", (client) => void client.on("error", () => undefined));

    const committed: number[] = [];
    const working = new AbortController();
    let next = 0;
    const write = async () => {
      while (!working.signal.aborted) {
        const id = next++;
        const done = await pool.query("insert into kept values ($1)", [id]).catch(() => undefined);
        if (done) committed.push(id);
        else await sleep(20);
      }
    };
    const writers = [write(), write()];

    const restarts = () => told.filter(({ kind }) => kind === "restarted").length;
    for (let round = 1; round <= rounds; round++) {
      const before = committed.length;
      await waitUntil(() => committed.length > before + 10);
      process.kill(database.pid, "SIGKILL");
      await waitUntil(() => restarts() === round);
    }
    working.abort();
    await Promise.all(writers);
    await pool.end();
    const rows = await query(database.connection, "select id::int from kept");
    const found = new Set(rows.map(({ id }) => id));
    expect(committed.filter((id) => !found.has(id))).toEqual([]);
    expect(committed.length).toBeGreaterThan(rounds * 10);
  },
);
