import { daemonApi } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { expect, test, vi } from "vitest";
import { schema } from "../../store/index.ts";
import { openWarmLink } from "../connections/warm-link.ts";
import { Setting, runCommand, small } from "./fixtures/setting.ts";
import type { WarmPool } from "./pool.ts";

const { runners } = schema;
const patience = { timeout: 25_000, interval: 50 };
const ready = async (pool: WarmPool, n: number) => {
  await expect.poll(() => pool.getLevels()[0]?.ready, patience).toBe(n);
};
const nobody = async () => undefined;

test("ten warm runners go to ten of a hundred concurrent claims, one each, and are replaced", async () => {
  await using setting = await Setting.local();
  const pool = setting.pool({ size: 10 });
  await ready(pool, 10);
  const before = await setting.listRunnerIds();
  expect(before).toHaveLength(10);
  const claims = await Promise.all(Array.from({ length: 100 }, () => setting.claim(pool, small)));
  const ids = claims.flatMap((row) => row?.id ?? []);
  expect(ids.toSorted()).toEqual(before);
  expect(claims.find((row) => row)).toMatchObject({ pool_key: null, state: "READY", tier: "small" });
  const links = ids.map((id) => pool.handOver(id, nobody));
  const healths = await Promise.all(links.map((link) => link!.client.call(daemonApi.health, {})));
  expect(healths.map(({ runner_id }) => runner_id)).toEqual(ids);
  await ready(pool, 10);
  expect((await setting.listRunnerIds()).filter((id) => !ids.includes(id))).toHaveLength(10);
  await pool.empty();
  expect(await setting.listRunnerIds()).toEqual(before);
});

test("a warm runner has no user's data, and the gateway denies its requests until it is claimed", async () => {
  await using setting = await Setting.local();
  const { backend, keys } = setting;
  const id = crypto.randomUUID();
  const tenure = await setting.lease(id, { pool_key: "any" });
  await backend.create({ ...small, id, wireKey: keys.getWireKey(id) });
  const warm = await openWarmLink(setting, tenure, AbortSignal.timeout(20_000));
  const ask = (path: string, token: string) =>
    runCommand(
      warm.link,
      `node -e "fetch('http://127.0.0.1:4100${path}',{method:'POST',headers:{'x-goog-api-key':'${token}'},body:'{}'}).then(async r=>console.log(r.status,(await r.json()).code))"`,
    );
  const model = "/models/gemini/v1beta/models/any:generateContent";
  const run = { run_id: crypto.randomUUID(), task_id: crypto.randomUUID(), runner_id: id, model_route: "gemini" };
  const token = keys.getRunToken(run.run_id);
  for (const path of [model, "/git/any.git/info/refs", "/"]) expect(await ask(path, token)).toBe("403 egress_denied\n");
  expect(
    await runCommand(
      warm.link,
      "ls -A /workspace /home/wharf; env | grep -v ^GIT_CONFIG_KEY_ | grep -ci 'token\\|key'",
    ),
  ).toBe("/home/wharf:\n\n/workspace:\n0\n");
  warm.handTo(async () => ({ ...run, token }));
  expect(await ask(model, "another")).toMatch(/^40[13] /);
  // No server has the model's address, so an error of 50x shows that the gateway forwarded the
  // request.
  expect(await ask(model, token)).toMatch(/^50[0-9] /);
  await warm.link[Symbol.asyncDispose]();
});

test("a claim matches only the same size, image, tenant and lifetime, and programs that the runner has", async () => {
  await using setting = await Setting.mock();
  const pool = setting.pool({ size: 1 });
  await ready(pool, 1);
  for (const other of [
    { limits: { ...small.limits, memoryBytes: 1 } },
    { image: "wharf-gemini:latest" },
    { tenant: "another" },
    { lifetime: "short" as const },
    { labels: { team: "blue" } },
    { credentials: ["ssh" as const] },
    { programs: ["gemini"] },
  ])
    expect(await setting.claim(pool, { ...small, ...other })).toBeUndefined();
  expect(await setting.claim(pool, { ...small, programs: ["wharf-demo-agent"] })).toMatchObject({ tier: "small" });
});

test("runners with and without an image are kept side by side, and a claim gets one of its own image", async () => {
  await using setting = await Setting.mock();
  const image = "wharf-gemini:latest";
  const targets = [
    { tier: "small" as const, size: 1 },
    { tier: "small" as const, image, size: 2 },
  ];
  const pool = setting.pool({ size: 1, targets });
  await expect.poll(() => pool.getLevels().map((level) => level.ready), patience).toEqual([1, 2]);
  const two = [await setting.claim(pool, { ...small, image }), await setting.claim(pool, { ...small, image })];
  expect(new Set(two.map((row) => row?.id)).size).toBe(2);
  expect(await setting.claim(pool, { ...small, image })).toBeUndefined();
  expect(await setting.claim(pool, small)).toBeDefined();
});

test("a runner whose daemon has died is replaced and never claimed", async () => {
  await using setting = await Setting.local();
  const pool = setting.pool({ size: 2 });
  await ready(pool, 2);
  const [dead, alive] = await setting.listRunnerIds();
  process.kill(setting.getDaemonPid(dead!), "SIGKILL");
  await expect.poll(() => pool.isWarm(dead!), patience).toBe(false);
  const { db } = setting.f;
  expect(await setting.claim(pool, small)).toMatchObject({ id: alive });
  await ready(pool, 2);
  // The pool destroys it beside the creation of its successor.
  await expect.poll(() => setting.listRunnerIds(), patience).not.toContain(dead);
  const readRow = async () => (await db.select().from(runners).where(eq(runners.id, dead!)))[0];
  await expect.poll(readRow, patience).toMatchObject({ state: "DESTROYED", desired: "DESTROYED", pool_key: null });
});

test("a runner counts as ready only when it can be claimed", async () => {
  await using setting = await Setting.mock();
  const { db } = setting.f;
  const locked = Promise.withResolvers<void>();
  const create = setting.backend.create.bind(setting.backend);
  vi.spyOn(setting.backend, "create").mockImplementation(async (...args) => {
    await locked.promise;
    return await create(...args);
  });
  const pool = setting.pool({ size: 1 });
  await expect.poll(() => db.select({ id: runners.id }).from(runners), patience).toHaveLength(1);
  await db.transaction(async (tx) => {
    const [row] = await tx.select({ id: runners.id }).from(runners).for("update");
    locked.resolve();
    await expect.poll(() => pool.isWarm(row!.id), patience).toBe(true);
    expect(pool.getLevels()[0]?.ready).toBe(0);
  });
  await ready(pool, 1);
  expect(await setting.claim(pool, small)).toBeDefined();
});

test("a claim that is rolled back leaves the runner in the pool", async () => {
  await using setting = await Setting.mock();
  const pool = setting.pool({ size: 1 });
  await ready(pool, 1);
  const { db } = setting.f;
  const claimed = Promise.withResolvers<void>();
  const looked = Promise.withResolvers<void>();
  const undone = db.transaction(async (tx) => {
    expect(await pool.claim(tx, small)).toBeDefined();
    claimed.resolve();
    await looked.promise;
    throw new Error("undone");
  });
  await claimed.promise;
  // Until the rollback no other claim gets the runner or waits for it.
  expect(await setting.claim(pool, small)).toBeUndefined();
  looked.resolve();
  await expect(undone).rejects.toThrow("undone");
  const row = await setting.claim(pool, small);
  expect(row).toBeDefined();
  expect(pool.handOver(row!.id, nobody)).toBeDefined();
});

test("the next server adopts warm runners and removes surplus ones and those of an older version", async () => {
  await using setting = await Setting.local();
  const first = setting.pool({ size: 3 });
  await ready(first, 3);
  const before = await setting.listRunnerIds();
  const daemons = before.map((id) => setting.getDaemonPid(id));
  await setting.stop(first);
  const second = setting.pool({ size: 3 });
  await ready(second, 3);
  expect(await setting.listRunnerIds()).toEqual(before);
  expect(before.map((id) => setting.getDaemonPid(id))).toEqual(daemons);
  const row = await setting.claim(second, small);
  expect(await runCommand(second.handOver(row!.id, nobody)!, "echo there")).toBe("there\n");
  await setting.stop(second);
  const left = before.filter((id) => id !== row!.id);
  const third = setting.pool({ size: 1 });
  await ready(third, 1);
  await expect.poll(() => setting.listRunnerIds(), patience).toHaveLength(2);
  expect(left).toEqual(expect.arrayContaining((await setting.listRunnerIds()).filter((id) => id !== row!.id)));
  await setting.stop(third);
  const newer = setting.pool({ size: 1, version: "2" });
  await ready(newer, 1);
  await expect
    .poll(async () => (await setting.listRunnerIds()).filter((id) => before.includes(id)), patience)
    .toEqual([row!.id]);
  await setting.stop(newer);
  setting.pool({ size: 0 });
  await expect.poll(() => setting.listRunnerIds(), patience).toEqual([row!.id]);
});

test("warm runners that lack a new agent's program are replaced by runners that have it", async () => {
  await using setting = await Setting.mock();
  const first = setting.pool({ size: 2 });
  await ready(first, 2);
  const before = await setting.listRunnerIds();
  await setting.stop(first);
  const second = setting.pool({ size: 2, programs: async () => ["gemini", "wharf-agent", "wharf-demo-agent"] });
  await ready(second, 2);
  expect((await setting.listRunnerIds()).filter((id) => before.includes(id))).toEqual([]);
  expect(await setting.claim(second, { ...small, programs: ["gemini"] })).toBeDefined();
});

test("two servers share one pool, and each can claim the other's runners", async () => {
  await using setting = await Setting.mock();
  const one = setting.pool({ size: 2 });
  await ready(one, 2);
  const two = setting.pool({ size: 2, server: "two" });
  await vi.waitFor(() => expect(two.getLevels()).toHaveLength(1), patience);
  expect(await setting.listRunnerIds()).toHaveLength(2);
  const rows = await Promise.all([setting.claim(two, small), setting.claim(one, small)]);
  expect(new Set(rows.map((row) => row?.id)).size).toBe(2);
  const theirs = rows[0]!.id;
  expect(two.isWarm(theirs)).toBe(false);
  // A new link, under a higher epoch, ends the one that the other server holds.
  const tenure = setting.leases("two").hold({ runner_id: theirs, server_id: "two", epoch: 2 });
  const dialled = await openWarmLink(setting, tenure, AbortSignal.timeout(5_000));
  await expect.poll(() => one.isWarm(theirs)).toBe(false);
  await dialled.link[Symbol.asyncDispose]();
});

test("if no runner can be created, claims get none, attempts become rarer, and one warning is logged", async () => {
  await using setting = await Setting.mock();
  const { backend } = setting;
  let tries = 0;
  let works = false;
  const create = backend.create.bind(backend);
  backend.create = async (spec, signal) => {
    tries++;
    if (!works) throw new Error("no room");
    await create(spec, signal);
  };
  const pool = setting.pool({ size: 4 });
  await expect.poll(() => tries, patience).toBeGreaterThan(4);
  expect(await setting.claim(pool, small)).toBeUndefined();
  expect(tries).toBeLessThanOrEqual(8);
  const getWarnings = () => setting.logLines.filter(({ msg }) => msg.includes("could not create"));
  expect(getWarnings()).toHaveLength(1);
  works = true;
  await ready(pool, 4);
  expect(getWarnings()).toHaveLength(1);
  expect(setting.logLines.at(-1)?.msg).toContain("can be created again");
});
