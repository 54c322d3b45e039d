import { cpSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { eq, sql } from "drizzle-orm";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { schema } from "../store/index.ts";
import { refuseCopiedFolder } from "./copied-folder.ts";
import { installationFile, joinInstallation } from "./installation.ts";
import { Servers } from "./servers.ts";

const logger = pino({ level: "silent" });
const getErrorCode = (thrown: unknown) => (thrown instanceof WharfError ? thrown.code : String(thrown));
let dataFolder: string;
beforeEach(() => {
  dataFolder = mkdtempSync(join(tmpdir(), "wharf-servers-"));
});
afterEach(() => rmSync(dataFolder, { recursive: true, force: true }));

describe("an installation", () => {
  const join_ = (f: Fixture, secret = "one") => joinInstallation(f.db, { secret, dataFolder });

  test("is created once, even by servers that start at the same moment", async () => {
    await using f = await fixture();
    const ids = await Promise.all([join_(f), join_(f), join_(f)]);
    expect(new Set(ids).size).toBe(1);
    expect(await join_(f)).toBe(ids[0]);
    expect((await readFile(join(dataFolder, installationFile), "utf8")).trim()).toBe(ids[0]);
  });

  test("refuses a server with another secret", async () => {
    await using f = await fixture();
    await join_(f);
    const error = await join_(f, "two").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "installation_mismatch",
      context: { reason: expect.stringContaining("secret") },
    });
  });

  test("refuses a data folder that belongs to another database, whether or not the database is empty", async () => {
    await using mine = await fixture();
    await join_(mine);
    await using empty = await fixture();
    expect(await join_(empty).catch(getErrorCode)).toBe("installation_mismatch");
    expect(await empty.db.select().from(schema.installation)).toEqual([]);
    await using other = await fixture();
    const elsewhere = mkdtempSync(join(tmpdir(), "wharf-servers-"));
    await joinInstallation(other.db, { secret: "one", dataFolder: elsewhere });
    rmSync(elsewhere, { recursive: true });
    expect(await join_(other).catch(getErrorCode)).toBe("installation_mismatch");
  });
});

describe("a data folder", () => {
  test("that was copied is refused while the original exists", async () => {
    const original = join(dataFolder, "original");
    const copy = join(dataFolder, "copy");
    cpSync(mkdtempSync(join(dataFolder, "x-")), original, { recursive: true });
    await refuseCopiedFolder(original);
    await refuseCopiedFolder(original);
    cpSync(original, copy, { recursive: true });
    expect(await refuseCopiedFolder(copy).catch(getErrorCode)).toBe("data_folder_copied");
    rmSync(original, { recursive: true });
    await refuseCopiedFolder(copy);
  });

  test("that was moved or lost its record is accepted", async () => {
    const before = mkdtempSync(join(dataFolder, "x-"));
    await refuseCopiedFolder(before);
    const after = join(dataFolder, "after");
    renameSync(before, after);
    await refuseCopiedFolder(after);
    await writeFile(join(after, "location.json"), "{");
    await refuseCopiedFolder(after);
  });
});

describe("servers of one database", () => {
  const start = async (f: Fixture, id: string, { place = "here", isShared = true } = {}) => {
    const servers = new Servers({ db: f.db, id, place, logger });
    await servers.start(`http://${id}`, { isShared });
    return Object.assign(servers, { [Symbol.asyncDispose]: () => servers.stop() });
  };

  test("find the one that holds a runner, and none if it is their own or its server is gone", async () => {
    await using f = await fixture();
    await using a = await start(f, "a");
    await using b = await start(f, "b");
    const id = crypto.randomUUID();
    await f.db.insert(schema.runners).values({ id, backend: "mock", tier: "small" });
    await f.db
      .insert(schema.runner_leases)
      .values({ runner_id: id, server_id: "b", place: "here", expires_at: sql`now() + interval '1 minute'` });
    expect(await a.findHolder(id)).toBe("http://b");
    expect(await b.findHolder(id)).toBeUndefined();
    await f.db
      .update(schema.servers)
      .set({ seen_at: sql`now() - interval '1 hour'` })
      .where(eq(schema.servers.id, "b"));
    expect(await a.findHolder(id)).toBeUndefined();
  });

  test("have one leader for a duty until its lease expires", async () => {
    await using f = await fixture();
    await using a = await start(f, "a");
    await using b = await start(f, "b");
    const done: string[] = [];
    const lead = async (servers: Servers, name: string) =>
      (await servers.runAsLeader("sweep", async () => done.push(name))) !== undefined;
    expect(await lead(a, "a")).toBe(true);
    expect(await lead(b, "b")).toBe(false);
    expect(await lead(a, "a")).toBe(true);
    await f.db.update(schema.leaderships).set({ expires_at: sql`now() - interval '1 second'` });
    expect(await lead(b, "b")).toBe(true);
    expect(await lead(a, "a")).toBe(false);
    expect(done).toEqual(["a", "a", "b"]);
  });

  test("cannot be two if runners are on one machine only", async () => {
    await using f = await fixture();
    await using _a = await start(f, "a");
    expect(await start(f, "b", { isShared: false }).catch(getErrorCode)).toBe("backend_not_shared");
  });
});
