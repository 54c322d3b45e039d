import { type AuditContent, type AuditVerification, AuditContent as ContentSchema } from "@wharf/contract";
import { ChainCheck } from "@wharf/contract/audit";
import type { SQL } from "drizzle-orm";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { openDatabase } from "../store/index.ts";
import { AuditLog, type AuditLogOptions } from "./audit-log.ts";
import { AuditReader } from "./audit-reader.ts";
import type { AuditRecord } from "./audit-record.ts";

const logger = pino({ level: "silent" });

const openLog = (f: Fixture, options: Partial<AuditLogOptions> = {}) =>
  new AuditLog({ db: f.db, serverId: "one", logger, redact: (text) => text, ...options });

const createRecord = (fields: Partial<AuditRecord> = {}): AuditRecord => ({
  actor: { kind: "user", id: "ada" },
  action: "createTask",
  result: "ok",
  ...fields,
});

async function recordMany(log: AuditLog, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, n) => `t${n}`);
  await Promise.all(names.map((id) => log.record(createRecord({ target: { kind: "task", id } }))));
}

async function verify(f: Fixture, anchor?: { sequence: number; hash: string }): Promise<AuditVerification> {
  const lines = await Array.fromAsync(new AuditReader(f.db).verify(anchor));
  const last = lines.at(-1);
  if (last?.type !== "outcome") throw new Error("no outcome");
  return last;
}

const list = async (f: Fixture, query: Partial<Parameters<AuditReader["list"]>[0]> = {}) =>
  (await new AuditReader(f.db).list({ limit: 100, ...query })).entries;

/** Changes rows as somebody with all rights on the database could. */
async function tamper(f: Fixture, ...statements: string[]): Promise<void> {
  const client = await f.pool.connect();
  await client.query("set session_replication_role = replica");
  for (const statement of statements) await client.query(statement);
  await client.query("set session_replication_role = default");
  client.release();
}

// G-055 G-077 S-111
test("entries are numbered and chained in the order in which they were recorded", async () => {
  await using f = await fixture();
  await using log = openLog(f);
  await log.record(createRecord({ details: { path: "a.txt", size: 3 } }));
  await recordMany(log, 500);
  const entries = await list(f, { limit: 1000 });
  expect(entries.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 501 }, (_, n) => 501 - n));
  expect(entries.at(-1)).toMatchObject({ action: "createTask", details: { path: "a.txt", size: 3 }, server_id: "one" });
  expect(
    entries
      .toReversed()
      .slice(1)
      .map(({ target }) => target?.id),
  ).toEqual(Array.from({ length: 500 }, (_, n) => `t${n}`));
  expect(await verify(f)).toMatchObject({ intact: true, checked: 501, end: { sequence: 501 } });
});

test("an entry is chained without reading the entries before it", async () => {
  await using f = await fixture();
  const client = await f.pool.connect();
  await client.query("begin");
  await client.query("insert into audit_entries (content) select '{}' from generate_series(1, 300)");
  const { rows } = await client.query(
    "select seq_scan, idx_scan from pg_stat_xact_user_tables where relname = 'audit_entries'",
  );
  await client.query("commit");
  client.release();
  expect(rows).toEqual([{ seq_scan: "0", idx_scan: "0" }]);
  expect(await verify(f)).toMatchObject({ intact: true, checked: 300 });
});

test("two servers that write at once continue one chain", async () => {
  await using f = await fixture();
  await using one = openLog(f, { serverId: "one" });
  const connections = openDatabase({ ...f.connection, max: 4 }, () => undefined);
  const other = openLog(f, { serverId: "other", db: connections.db });
  await Promise.all([recordMany(one, 700), recordMany(other, 700)]);
  await connections.close();
  expect(await verify(f)).toMatchObject({ intact: true, checked: 1_400 });
  const servers = (await list(f, { limit: 1000 })).map(({ server_id }) => server_id);
  expect(new Set(servers)).toEqual(new Set(["one", "other"]));
});

describe("the database refuses to", () => {
  test.each([
    ["change an entry", "update audit_entries set content = '{}' where sequence = 2", /do not change/],
    ["delete an entry", "delete from audit_entries where sequence = 2", /only removed by pruning/],
    ["delete all entries", "truncate audit_entries", /do not change/],
    ["forget the end", "delete from audit_chain", /do not change/],
    ["move the end back", "update audit_chain set sequence = 1", /only move forward/],
    ["move the beginning to the end", "update audit_chain set pruned_sequence = 3", /only move forward/],
    ["prune up to a hash that is no entry's", "update audit_chain set pruned_sequence = 1", /one of its entries/],
  ])("%s", async (_, statement, reason) => {
    await using f = await fixture();
    await using log = openLog(f);
    await recordMany(log, 3);
    await expect(f.pool.query(statement)).rejects.toThrow(reason);
    expect(await verify(f)).toMatchObject({ intact: true, checked: 3 });
  });

  test("take the number or the hash of an entry from its writer", async () => {
    await using f = await fixture();
    await using log = openLog(f);
    await recordMany(log, 2);
    await f.pool.query("insert into audit_entries (sequence, at, content, hash) values (9, 'epoch', '{}', 'x')");
    expect(await verify(f)).toMatchObject({ intact: true, checked: 3, end: { sequence: 3 } });
  });
});

describe("a verification finds", () => {
  const renumber = "update audit_entries set sequence = sequence - 1 where sequence > 3";
  const swap = [
    "update audit_entries set sequence = -1 where sequence = 3",
    "update audit_entries set sequence = 3 where sequence = 4",
    "update audit_entries set sequence = 4 where sequence = -1",
  ];
  const insert = (sequence: number, hash: string) =>
    `insert into audit_entries (sequence, at, content, hash) select ${sequence}, at, content, ${hash} from audit_entries where sequence = 2`;
  test.each<[string, string[], object]>([
    [
      "a changed entry",
      ["update audit_entries set content = replace(content, 'ada', 'eve') where sequence = 3"],
      { kind: "changed", sequence: 3 },
    ],
    [
      "a changed time",
      ["update audit_entries set at = at - interval '1 day' where sequence = 3"],
      { kind: "changed", sequence: 3 },
    ],
    [
      "a changed hash",
      ["update audit_entries set hash = repeat('0', 64) where sequence = 3"],
      { kind: "changed", sequence: 3 },
    ],
    ["a deleted entry", ["delete from audit_entries where sequence = 3"], { kind: "missing", sequence: 3 }],
    [
      "a deleted entry behind which the others moved up",
      ["delete from audit_entries where sequence = 3", renumber],
      { kind: "changed", sequence: 3 },
    ],
    ["deleted entries at the end", ["delete from audit_entries where sequence > 3"], { kind: "tail", sequence: 4 }],
    ["a deleted beginning", ["delete from audit_entries where sequence < 3"], { kind: "missing", sequence: 1 }],
    [
      "a beginning that was moved without a record",
      [
        "update audit_chain set pruned_sequence = 2, pruned_hash = (select hash from audit_entries where sequence = 2)",
        "delete from audit_entries where sequence < 3",
      ],
      { kind: "pruned", sequence: 3 },
    ],
    ["entries in each other's place", swap, { kind: "changed", sequence: 3 }],
    [
      "an inserted entry",
      ["update audit_entries set sequence = 6 where sequence = 5", insert(5, "hash")],
      { kind: "changed", sequence: 5 },
    ],
    ["an entry behind the end", [insert(6, "hash")], { kind: "changed", sequence: 6 }],
    ["a missing record of the ends", ["delete from audit_chain"], { kind: "end" }],
  ])("%s", async (_, statements, fault) => {
    await using f = await fixture();
    await using log = openLog(f);
    await recordMany(log, 5);
    expect(await verify(f)).toMatchObject({ intact: true });
    await tamper(f, ...statements);
    expect(await verify(f)).toMatchObject({ intact: false, fault });
  });

  test("entries that were deleted at the end, also after others followed", async () => {
    await using f = await fixture();
    await using log = openLog(f);
    await recordMany(log, 5);
    await tamper(f, "delete from audit_entries where sequence > 3");
    await recordMany(log, 2);
    expect(await verify(f)).toMatchObject({ intact: false, fault: { kind: "missing", sequence: 4 } });
  });

  test("by an anchor that the chain was written again or ends earlier", async () => {
    await using f = await fixture();
    await using log = openLog(f);
    await recordMany(log, 5);
    const { end } = await verify(f);
    await recordMany(log, 2);
    expect(await verify(f, end)).toMatchObject({ intact: true, anchor: "matches" });
    const other = { ...end, hash: "a".repeat(64) };
    expect(await verify(f, other)).toMatchObject({
      intact: false,
      anchor: "differs",
      fault: { kind: "anchor", sequence: 5 },
    });
    const later = { sequence: 9, hash: end.hash };
    expect(await verify(f, later)).toMatchObject({ intact: false, fault: { kind: "tail", sequence: 8 } });
  });
});

test("pruning removes the beginning, records it, and leaves a chain that can be verified", async () => {
  await using f = await fixture();
  await using log = openLog(f);
  await recordMany(log, 5);
  const { end } = await verify(f);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const before = new Date().toISOString();
  const record = createRecord({ action: "pruneAudit" });
  expect(await log.prune("2020-01-01T00:00:00Z", record)).toMatchObject({ removed: 0, start: { sequence: 0 } });
  await recordMany(log, 2);
  expect(await log.prune(before, record)).toEqual({ removed: 5, start: end });
  const entries = await list(f);
  expect(entries.map(({ sequence, action }) => [sequence, action])).toEqual([
    [8, "pruneAudit"],
    [7, "createTask"],
    [6, "createTask"],
  ]);
  expect(entries[0]?.details).toEqual({ before, last_sequence: 5, last_hash: end.hash });
  expect(await verify(f)).toMatchObject({ intact: true, checked: 3, start: { sequence: 5 } });
  expect(await verify(f, end)).toMatchObject({ intact: true, anchor: "matches" });
  expect(await verify(f, { sequence: 2, hash: end.hash })).toMatchObject({ intact: true, anchor: "pruned" });
});

test("entries are found by actor, act, target, result, organization and time, and page by page", async () => {
  await using f = await fixture();
  await using log = openLog(f);
  const { user_id, organization_id } = f.owner;
  await log.record(createRecord());
  await log.record(createRecord({ actor: { kind: "user", id: user_id }, action: "deleteTask", organization_id }));
  await log.record(createRecord({ actor: { kind: "anonymous" }, result: "denied", error: "unauthenticated" }));
  await log.record(createRecord({ target: { kind: "task", id: "t1" } }));
  const find = async (query: Parameters<typeof list>[1]) => (await list(f, query)).map(({ sequence }) => sequence);
  expect(await find({ actor: "ada" })).toEqual([4, 1]);
  expect(await find({ actor: user_id })).toEqual([2]);
  expect(await find({ actor: "owner" })).toEqual([2]);
  expect(await find({ action: "deleteTask" })).toEqual([2]);
  expect(await find({ target: "t1" })).toEqual([4]);
  expect(await find({ result: "denied" })).toEqual([3]);
  expect(await find({ organization_id })).toEqual([2]);
  expect(await find({ action: "createTask", result: "ok", actor: "ada" })).toEqual([4, 1]);
  const [fourth] = await list(f);
  expect(await find({ from: fourth?.at })).toContain(4);
  expect(await find({ from: "2999-01-01T00:00:00Z" })).toEqual([]);
  expect(await find({ to: "2020-01-01T00:00:00Z" })).toEqual([]);
  expect(await find({ to: "2999-01-01T00:00:00Z" })).toEqual([4, 3, 2, 1]);
  const reader = new AuditReader(f.db);
  const first = await reader.list({ limit: 3 });
  expect(first.entries.map(({ sequence }) => sequence)).toEqual([4, 3, 2]);
  const second = await reader.list({ limit: 3, cursor: first.next_cursor });
  expect(second.entries.map(({ sequence }) => sequence)).toEqual([1]);
  expect(second.next_cursor).toBeUndefined();
});

test("acts that repeat become one entry and their number", async () => {
  await using f = await fixture();
  {
    await using log = openLog(f);
    for (let n = 0; n < 50; n++) log.count(createRecord({ result: "denied", error: "forbidden", address: "10.0.0.1" }));
    log.count(createRecord({ result: "denied", error: "forbidden", address: "10.0.0.2" }));
    for (let n = 0; n < 5_000; n++) log.count(createRecord({ result: "denied", address: `10.1.${n >> 8}.${n & 255}` }));
  }
  const entries = await list(f, { limit: 5_000 });
  expect(entries.length).toBeLessThan(1_100);
  const total = entries.reduce((sum, { details }) => sum + Number(details?.["times"] ?? 1), 0);
  expect(total).toBe(5_051);
  const first = entries.filter(({ address }) => address === "10.0.0.1");
  expect(first.map(({ details }) => details)).toEqual([{ times: 49 }, undefined]);
});

test("an entry is short, one line, without known secrets, and can be hashed again from its fields", async () => {
  await using f = await fixture();
  await using log = openLog(f, { redact: (text) => text.replaceAll("s3cret", "******") });
  const long = "x\u0000\n\ud800".repeat(5_000);
  await log.record(
    createRecord({
      actor: { kind: "user", id: long, name: long },
      target: { kind: "file", id: long, name: long },
      error: long,
      address: long,
      user_agent: long,
      details: { command: "login s3cret", ...Object.fromEntries(Array.from("abcdefghijklm", (key) => [key, long])) },
    }),
  );
  const [entry] = await list(f);
  expect(JSON.stringify(entry).length).toBeLessThan(8_192);
  expect(entry?.details?.["command"]).toBe("login ******");
  const { sequence, at, hash, ...content } = entry!;
  const check = new ChainCheck();
  const text = JSON.stringify(ContentSchema.parse(content) satisfies AuditContent);
  expect(check.add({ sequence, at, hash, content: text })).toBe(true);
});

test("without a database, entries wait, further acts are refused, and what waited is written afterwards", async () => {
  await using f = await fixture();
  let isDown = true;
  const broken = Object.assign(new Error("down"), { code: "57P03" });
  const db = Object.create(f.db, {
    execute: { value: (query: SQL) => (isDown ? Promise.reject(broken) : f.db.execute(query)) },
  }) as AuditLogOptions["db"];
  await using log = openLog(f, { db, maxWaiting: 3, maxWaitMs: 50 });
  for (let n = 0; n < 3; n++) {
    log.requireRoom();
    await expect(log.record(createRecord())).rejects.toMatchObject({ code: "audit_unavailable" });
  }
  expect(() => log.requireRoom()).toThrow(expect.objectContaining({ code: "audit_unavailable" }));
  isDown = false;
  await expect.poll(() => list(f).then(({ length }) => length), { timeout: 20_000 }).toBe(3);
  log.requireRoom();
  expect(await verify(f)).toMatchObject({ intact: true });
});

describe("the use of a credential", () => {
  const use = {
    actor: { kind: "agent", id: "run" },
    credential: { kind: "registry", name: "npm of acme" },
    details: { task: "t" },
  } as const;

  test("is an entry at once, and one for all later uses with their number", async () => {
    await using f = await fixture();
    const organization_id = f.owner.organization_id;
    {
      await using log = openLog(f);
      log.countCredentialUse({ ...use, organization_id });
      await expect.poll(() => list(f)).toHaveLength(1);
      for (let n = 0; n < 41; n++) log.countCredentialUse({ ...use, organization_id });
      log.countCredentialUse({ ...use, organization_id, actor: { kind: "agent", id: "another run" } });
    }
    const entries = await list(f, { action: "useCredential" });
    const expected = { action: "useCredential", target: { kind: "registry", id: "npm of acme" }, result: "ok" };
    for (const entry of entries) expect(entry).toMatchObject({ ...expected, organization_id, details: { task: "t" } });
    const counts = entries.map(({ actor, details }) => `${actor.id}: ${String(details?.["times"])}`);
    expect(counts.toSorted((a, b) => a.localeCompare(b))).toEqual([
      "another run: undefined",
      "run: 41",
      "run: undefined",
    ]);
    expect(await verify(f)).toMatchObject({ intact: true });
  });
});
