import { randomUUID } from "node:crypto";
import { HostUsageQuery } from "@wharf/contract";
import { pino } from "pino";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import type { LedgerDatabase } from "../ledger/ledger-database.ts";
import { HostReports } from "../report/host-reports.ts";
import { HostTraffic } from "./host-traffic.ts";
import { maxHosts } from "./record-host-traffic.ts";

const openTraffic = (db: LedgerDatabase) => new HostTraffic({ db, logger: pino({ level: "silent" }), writeDelayMs: 1 });
const read = (f: Fixture, query: object = {}) => new HostReports(f.db).read(f.owner, HostUsageQuery.parse(query));
const listHosts = async (f: Fixture, query?: object) =>
  (await read(f, query)).hosts.map(({ host, connections, bytes_in, bytes_out }) => [
    host,
    connections,
    bytes_in,
    bytes_out,
  ]);

test("connections count by task and host, also those of several writes, with the most sent first", async () => {
  await using f = await fixture();
  const [task, other] = [await f.newTask(), await f.newTask()];
  const connection = { runner_id: randomUUID(), bytes_in: 10, bytes_out: 3, ended: true };
  for (let i = 0; i < 2; i++) {
    await using traffic = openTraffic(f.pool);
    traffic.add({ ...connection, task_id: task.id, host: "a.example" });
    traffic.add({ ...connection, task_id: task.id, host: "a.example" });
    traffic.add({ ...connection, task_id: task.id, host: "b.example:8443", bytes_out: 1_000 });
    traffic.add({ ...connection, task_id: other.id, host: "a.example" });
  }
  expect(await listHosts(f, { task_id: task.id })).toEqual([
    ["b.example:8443", 2, 20, 2_000],
    ["a.example", 4, 40, 12],
  ]);
  expect(await listHosts(f, { board_id: task.board_id })).toEqual([
    ["b.example:8443", 2, 20, 2_000],
    ["a.example", 6, 60, 18],
  ]);
  const { hosts, truncated } = await read(f, { limit: 1 });
  expect([hosts.length, truncated]).toEqual([1, true]);
  expect(Date.parse(hosts[0]!.last_at)).toBeGreaterThan(Date.parse(hosts[0]!.first_at));
  expect(
    await new HostReports(f.db).read({ ...f.owner, organization_id: randomUUID() }, HostUsageQuery.parse({})),
  ).toEqual({
    hosts: [],
    truncated: false,
  });
});

test("the traffic of a runner without a task belongs to its organisation", async () => {
  await using f = await fixture();
  const id = randomUUID();
  const { organization_id, user_id: owner_id } = f.owner;
  await f.db.insert(schema.runners).values({ id, backend: "mock", tier: "small", organization_id, owner_id });
  {
    await using traffic = openTraffic(f.pool);
    traffic.add({ runner_id: id, host: "a.example", bytes_in: 1, bytes_out: 2, ended: true });
  }
  expect(await listHosts(f)).toEqual([["a.example", 1, 1, 2]]);
});

test("hosts beyond the limit of a task count together, whether they come at once or one after the other", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  const addHosts = async (start: number, count: number) => {
    await using traffic = openTraffic(f.pool);
    for (let i = start; i < start + count; i++)
      traffic.add({
        runner_id: task.id,
        task_id: task.id,
        host: `h${i}.example`,
        bytes_in: 1,
        bytes_out: 1,
        ended: true,
      });
  };
  await addHosts(0, maxHosts - 1);
  await addHosts(maxHosts - 1, maxHosts + 50);
  await addHosts(5 * maxHosts, 10);
  await addHosts(0, 1);
  const { hosts } = await read(f, { task_id: task.id });
  expect(hosts.length).toBe(maxHosts + 1);
  expect(hosts[0]).toMatchObject({ host: null, bytes_out: maxHosts + 50 - 1 + 10 });
  expect(hosts[1]).toMatchObject({ host: "h0.example", bytes_out: 2 });
});

test("what the database does not take counts later, without another connection", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  let failures = 3;
  const db = {
    query: async (statement: { text: string }) => {
      if (failures-- > 0) throw new Error("Connection terminated unexpectedly");
      await f.pool.query(statement);
    },
  } as unknown as LedgerDatabase;
  await using traffic = openTraffic(db);
  traffic.add({ runner_id: task.id, task_id: task.id, host: "a.example", bytes_in: 1, bytes_out: 2, ended: true });
  await expect.poll(() => listHosts(f), { timeout: 30_000 }).toEqual([["a.example", 1, 1, 2]]);
});
