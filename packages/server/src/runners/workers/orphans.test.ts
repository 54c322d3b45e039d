import { sql } from "drizzle-orm";
import { pino } from "pino";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import type { Backend } from "../../backends/index.ts";
import { schema } from "../../store/index.ts";
import { Runners } from "../runners.ts";
import { Orphans } from "./orphans.ts";

/** Creates a backend with these runners that records the calls on them. */
function createBackend(ids: readonly string[]) {
  const there = new Map<string, "running" | "stopped">(ids.map((id) => [id, "running"]));
  const backend = {
    async *list() {
      for (const [id, state] of there) yield { id, state };
    },
    stop: async (id: string) => void there.set(id, "stopped"),
    destroy: async (id: string) => void there.delete(id),
  };
  return { there, backend: backend as unknown as Backend };
}

const createOrphans = (f: Fixture, backend: Backend, place = "here") =>
  new Orphans({
    db: f.db,
    backend,
    place,
    runners: new Runners(f.db),
    logger: pino({ level: "silent" }),
    graceMs: 3_600_000,
    lead: (work) => work(),
    sleep: async () => undefined,
  });

const insert = async (f: Fixture, n: number): Promise<string[]> => {
  const ids = Array.from({ length: n }, () => crypto.randomUUID());
  await f.db.insert(schema.runners).values(ids.map((id) => ({ id, backend: "mock" as const, tier: "small" })));
  return ids;
};
const age = (f: Fixture) => f.db.update(schema.orphans).set({ found_at: sql`now() - interval '2 hours'` });

test("a runner without a row is stopped and reported at once, and removed only after its grace period", async () => {
  await using f = await fixture();
  const known = await insert(f, 2);
  const { there, backend } = createBackend([...known, "stranger"]);
  const orphans = createOrphans(f, backend);
  await orphans.reconcile();
  expect(Object.fromEntries(there)).toMatchObject({ stranger: "stopped", [known[0]!]: "running" });
  expect((await orphans.list({ limit: 10 })).rows).toMatchObject([
    { runner_id: "stranger", stopped_at: expect.any(Date) },
  ]);
  await orphans.reconcile();
  expect(there.has("stranger")).toBe(true);
  await age(f);
  await orphans.reconcile();
  expect([...there.keys()]).toEqual(known);
  expect(await orphans.list({ limit: 10 })).toEqual({ rows: [] });
});

test("if most runners have no row, as with an empty database, all disks are kept", async () => {
  await using f = await fixture();
  const [known] = await insert(f, 1);
  const { there, backend } = createBackend([known!, "one", "two"]);
  const orphans = createOrphans(f, backend);
  await orphans.reconcile();
  await age(f);
  await orphans.reconcile();
  expect(there.size).toBe(3);
});

test("a person can remove orphans at once, and those of another place are not touched", async () => {
  await using f = await fixture();
  const known = await insert(f, 3);
  const { there, backend } = createBackend([...known, "one"]);
  await f.db.insert(schema.orphans).values({ place: "elsewhere", runner_id: "far" });
  expect(await createOrphans(f, backend).removeAll()).toEqual(["one"]);
  expect([...there.keys()]).toEqual(known);
  expect((await createOrphans(f, backend, "elsewhere").list({ limit: 10 })).rows).toHaveLength(1);
});

test("a runner that has a row again is no longer an orphan", async () => {
  await using f = await fixture();
  const known = await insert(f, 2);
  const { backend } = createBackend([...known, "00000000-0000-4000-8000-000000000000"]);
  const orphans = createOrphans(f, backend);
  await orphans.reconcile();
  await f.db
    .insert(schema.runners)
    .values({ id: "00000000-0000-4000-8000-000000000000", backend: "mock", tier: "small" });
  await orphans.reconcile();
  expect(await orphans.list({ limit: 10 })).toEqual({ rows: [] });
});
