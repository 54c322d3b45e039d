import { expect, test } from "vitest";
import { databaseFolder, isAlive, query, supervisorProcess, waitUntil } from "../../../test/postgres-process.ts";
import { type PostgresNotice, startEmbeddedPostgres } from "./index.ts";

test(
  "an orphan that does not respond is stopped by force, and another one replaces it with its data",
  { timeout: 60_000 },
  async () => {
    await using place = await databaseFolder();
    await using server = supervisorProcess(place.folder);
    const { ready } = await server.said;
    if (!ready) throw new Error("not ready");
    await query(ready.connection, "create table kept as select 7 as number");
    await server.kill();
    process.kill(ready.pid, "SIGSTOP");

    const told: PostgresNotice[] = [];
    await using database = await startEmbeddedPostgres({
      folder: place.folder,
      notify: (notice) => void told.push(notice),
    });
    expect(told.map(({ kind }) => kind)).toEqual(["started"]);
    expect(await query(database.connection, "select number from kept")).toEqual([{ number: 7 }]);
    await waitUntil(() => !isAlive(ready.pid));
  },
);
