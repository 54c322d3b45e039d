import { execFile } from "node:child_process";
import { chmod, constants, cp, lstat, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { databaseFolder, query } from "../../../test/postgres-process.ts";
import { chooseAccount } from "./account.ts";
import { getSite } from "./cluster-site.ts";
import { createCluster, environment } from "./cluster.ts";
import { getConnectionOptions, startPostmaster, stopPostmaster } from "./postmaster.ts";
import { findPrograms, findInstalledPrograms, type PostgresPrograms, ensureUsablePrograms } from "./programs.ts";
import { createSocketFolder, removeSocketFolder } from "./socket-folder.ts";

const asRoot = process.getuid?.() === 0;
const installed = await findInstalledPrograms();
const run = promisify(execFile);

let top: string;
let home: string;
let programs: PostgresPrograms;
const libraries = () => join(home, "lib");
const links = async () =>
  (await readdir(libraries(), { withFileTypes: true }))
    .filter((entry) => entry.isSymbolicLink())
    .map(({ name }) => name);

/** Creates the package in the state in which its install script was not allowed to run. */
beforeAll(async () => {
  top = await mkdtemp(join(tmpdir(), "wharf-programs-"));
  await chmod(top, 0o755);
  home = join(top, "package/native");
  const found = await findPrograms({ folder: top, account: undefined });
  await mkdir(dirname(home));
  await cp(dirname(dirname(found.postgres)), home, {
    recursive: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
  });
  programs = { postgres: join(home, "bin/postgres"), initdb: join(home, "bin/initdb") };
});
beforeEach(async () => {
  for (const name of await links()) await rm(join(libraries(), name));
});
afterAll(() => rm(top, { recursive: true }));

test("library links that no install script created are created in place", async () => {
  await expect(run(programs.postgres, ["--version"])).rejects.toThrow(/shared librar|Library not loaded/);
  expect(await ensureUsablePrograms(programs, { folder: top, account: undefined })).toEqual(programs);
  expect((await run(programs.postgres, ["--version"])).stdout).toMatch(/^postgres \(PostgreSQL\) \d/);
  const before = await links();
  expect(await ensureUsablePrograms(programs, { folder: top, account: undefined })).toEqual(programs);
  expect(await links()).toEqual(before);
});

test.runIf(asRoot)("if the package is read-only, a copy in the data folder has the links", async () => {
  await using place = await databaseFolder();
  const script = `
    const { ensureUsablePrograms } = await import(${JSON.stringify(join(import.meta.dirname, "programs.ts"))});
    console.log(JSON.stringify(await ensureUsablePrograms(${JSON.stringify(programs)}, { folder: ${JSON.stringify(dirname(place.folder))} })));
  `;
  const user = { uid: 65_534, gid: 65_534, cwd: "/", env: environment };
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], user);
  const copy = JSON.parse(stdout) as PostgresPrograms;
  expect(copy.postgres.startsWith(dirname(place.folder))).toBe(true);
  expect((await run(copy.postgres, ["--version"], user)).stdout).toMatch(/^postgres \(PostgreSQL\) \d/);
  expect(await links()).toEqual([]);
});

test.runIf(asRoot)(
  "if the database's user cannot reach the package, it gets a copy, and only of the newest version",
  async () => {
    await using place = await databaseFolder();
    await mkdir(join(place.folder, "programs-1-1"), { recursive: true, mode: 0o755 });
    const account = await chooseAccount(join(place.folder, "data"));
    await chmod(dirname(home), 0o700);
    try {
      await expect(run(programs.postgres, ["--version"], { ...account, cwd: "/" })).rejects.toMatchObject({
        code: "EACCES",
      });
      const copy = await ensureUsablePrograms(programs, { folder: place.folder, account });
      expect((await run(copy.postgres, ["--version"], { ...account, cwd: "/" })).stdout).toMatch(
        /^postgres \(PostgreSQL\) \d/,
      );
      const made = await lstat(copy.postgres);
      expect(await ensureUsablePrograms(programs, { folder: place.folder, account })).toEqual(copy);
      expect((await lstat(copy.postgres)).ino).toBe(made.ino);
      expect(await readdir(place.folder)).toHaveLength(1);
      await createCluster(join(place.folder, "data"), { programs: copy, account });
    } finally {
      await chmod(dirname(home), 0o755);
    }
  },
);

test.runIf(installed)(
  "the machine's PostgreSQL is used if the package is missing (needs version 15 or newer)",
  async () => {
    if (!installed) return;
    await using place = await databaseFolder();
    await mkdir(place.folder, { mode: 0o755 });
    const site = await getSite(place.folder);
    await createCluster(site.dataFolder, { programs: installed, account: site.account });
    const socketFolder = await createSocketFolder(site.folder, site.account);
    const signal = new AbortController().signal;
    const postmaster = await startPostmaster(site, { programs: installed, socketFolder, signal });
    expect(await query(getConnectionOptions(socketFolder), "select 1 as one")).toEqual([{ one: 1 }]);
    await stopPostmaster(postmaster);
    await removeSocketFolder(site.folder);
  },
);
