import { chmod, chown, mkdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { databaseFolder, isAlive, supervisorProcess, waitUntil } from "../../../test/postgres-process.ts";
import { startEmbeddedPostgres } from "./index.ts";

const asRoot = process.getuid?.() === 0;

test("only the database's own user may enter its folders, and its processes get none of the server's environment", async () => {
  await using place = await databaseFolder();
  const secret = "never-in-postgres-3141";
  await using server = supervisorProcess(place.folder, {
    env: { ...process.env, WHARF_TEST_KEY: secret, PGOPTIONS: "-c jit=on" },
  });
  const { ready } = await server.said;
  const owner = (await stat(join(place.folder, "data"))).uid;
  for (const folder of [join(place.folder, "data"), ready?.connection.host ?? ""]) {
    const { mode, uid } = await stat(folder);
    expect([folder, mode & 0o777, uid]).toEqual([folder, 0o700, owner]);
  }
  expect((await stat(join(place.folder, "wharf.lock"))).mode & 0o077).toBe(0);
  if (asRoot) expect(owner).not.toBe(0);
  if (process.platform === "linux")
    expect(await readFile(`/proc/${ready?.pid}/environ`, "latin1")).not.toContain(secret);
});

test.runIf(asRoot)("as root, a folder that the database's user cannot reach is refused by name", async () => {
  await using place = await databaseFolder("home");
  const home = dirname(place.folder);
  await mkdir(home);
  await chmod(home, 0o700);
  await expect(startEmbeddedPostgres({ folder: place.folder })).rejects.toMatchObject({
    code: "config_invalid",
    context: { name: "WHARF_DATA", reason: expect.stringContaining(home) },
  });
});

test.runIf(asRoot)(
  "an ordinary user's database runs as that user, and root can serve the same folder later",
  async () => {
    await using place = await databaseFolder();
    await using server = supervisorProcess(place.folder, {
      uid: 65_534,
      gid: 65_534,
      env: { PATH: process.env["PATH"] },
    });
    const { ready } = await server.said;
    if (!ready) throw new Error("not ready");
    expect((await stat(join(place.folder, "data"))).uid).toBe(65_534);
    expect((await stat(`/proc/${ready.pid}`)).uid).toBe(65_534);
    server.child.kill("SIGTERM");
    await waitUntil(() => !isAlive(ready.pid));
    await waitUntil(() => server.child.exitCode !== null);
    await using database = await startEmbeddedPostgres({ folder: place.folder });
    expect((await stat(`/proc/${database.pid}`)).uid).toBe(65_534);
  },
);

test.runIf(asRoot)("a user gets an error when the data belongs to another user", async () => {
  await using place = await databaseFolder();
  await (await startEmbeddedPostgres({ folder: place.folder })).stop();
  await chown(place.folder, 65_534, 65_534);
  await rm(join(place.folder, "wharf.lock"));
  await using server = supervisorProcess(place.folder, {
    uid: 65_534,
    gid: 65_534,
    env: { PATH: process.env["PATH"] },
  });
  expect((await server.said).error).toMatchObject({
    code: "config_invalid",
    message: expect.stringContaining("belongs to user id"),
  });
});
