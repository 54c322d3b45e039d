import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { expect, test } from "vitest";
import { adoptLeases, LeaseLost } from "../leases/lease.ts";
import { Setting } from "../pool/fixtures/setting.ts";
import { RunnerWorker } from "./runner-worker.ts";

test("a runner that is stopped before the backend has it is destroyed, and its worker is at rest", async () => {
  await using setting = await Setting.mock();
  const { runners, keys, backend } = setting;
  const tenure = await setting.lease(randomUUID());
  await runners.setDesired(tenure.lease, "STOPPED");
  let retries = 0;
  const worker = new RunnerWorker(
    {
      backend,
      runners,
      keys,
      logger: pino({ level: "silent" }),
      findWork: async () => undefined,
      failWork: async () => undefined,
      poke: () => undefined,
      meter: { measure: async () => expect.fail("the runner never ran") },
      sleep: async () => {
        retries += 1;
        if (retries > 1) tenure.lose();
      },
    },
    tenure,
  );
  await worker.run();
  expect(retries).toBe(0);
  expect(await runners.get(tenure.runnerId)).toMatchObject({ state: "DESTROYED", desired: "DESTROYED" });
});

test("a runner whose task is deleted during its work gets another holder", async () => {
  await using setting = await Setting.mock();
  const { runners, keys, backend, f } = setting;
  const tenure = await setting.lease(randomUUID());
  const worker = new RunnerWorker(
    {
      backend,
      runners,
      keys,
      logger: pino({ level: "silent" }),
      // What a write about a run says whose row is gone.
      findWork: async () => () => Promise.reject(new LeaseLost()),
      failWork: async () => undefined,
      poke: () => undefined,
      meter: { measure: () => Promise.reject(new Error("not measured")) },
      sleep: async () => undefined,
    },
    tenure,
  );
  await worker.run();
  expect(tenure.signal.aborted).toBe(true);
  const request = { server_id: randomUUID(), place: "here", held: [], limit: 10 };
  await expect.poll(() => adoptLeases(f.db, request)).toMatchObject([{ runner_id: tenure.runnerId }]);
});
