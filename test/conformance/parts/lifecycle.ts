import { daemonApi, type Endpoint, rawFilesApi, terminalStreams } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, createRunnerSpec } from "../conformance-harness.ts";

const unregistered = (_title: string, _body: () => Promise<void>): void => undefined;

export function lifecycle(under: BackendUnderTest): void {
  describe("lifecycle", () => {
    let harness: ConformanceHarness;
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    const sighting = async (id: string) =>
      (await Array.fromAsync(harness.backend.list())).find((one) => one.id === id)?.state;

    // S-018
    test("creating is idempotent, also at the same time, and a daemon answers", async () => {
      const spec = createRunnerSpec();
      await Promise.all([harness.backend.create(spec), harness.backend.create(spec)]);
      await harness.backend.create(spec);
      expect(await sighting(spec.id)).toBe("running");
      const runner = harness.adopt(spec);
      const health = await runner.client.call(daemonApi.health, {});
      expect(health).toMatchObject({ runner_id: spec.id, agent: { status: "none" }, workspace: { cloned: false } });
      expect(health.journal).toMatchObject({ first: 1, last: 0, acked: 0 });
      const before = health.uptime_s;
      await harness.backend.create(spec);
      expect((await runner.client.call(daemonApi.health, {})).uptime_s).toBeGreaterThanOrEqual(before);
    });

    // The daemon knows every route that a caller may use.
    test("the daemon knows every route of the contract", async () => {
      const runner = await harness.runner();
      const routes: [string, Endpoint][] = Object.entries({ ...daemonApi, ...rawFilesApi, ...terminalStreams });
      const known = await Promise.all(routes.map(([, route]) => runner.knows(route)));
      expect(routes.filter((_, i) => !known[i]).map(([name]) => name)).toEqual([]);
      await harness.backend.destroy(runner.id);
    });

    const { keepsDisk = true } = under.capabilities;
    // Tests that do not apply to a backend are not registered: a skipped test counts as a missing
    // one.
    const whereKept = keepsDisk ? test : unregistered;
    const whereLost = keepsDisk ? unregistered : test;

    // S-066
    whereKept("stopping keeps the disk and starting restores it; both are idempotent", async () => {
      const runner = await harness.runner();
      await runner.exec("echo kept > file");
      const { epoch } = (await runner.client.call(daemonApi.health, {})).journal;
      await harness.backend.stop(runner.id);
      await runner.hangUp();
      await harness.backend.stop(runner.id);
      await runner.hangUp();
      expect(await sighting(runner.id)).toBe("stopped");
      await expect(harness.backend.dial(runner.id, AbortSignal.timeout(5_000))).rejects.toMatchObject({
        code: "runner_unavailable",
      });
      await harness.backend.start(runner.spec);
      await harness.backend.start(runner.spec);
      expect(await sighting(runner.id)).toBe("running");
      expect((await runner.exec("cat file")).stdout).toBe("kept\n");
      expect((await runner.client.call(daemonApi.health, {})).journal.epoch).toBe(epoch);
    });

    whereKept("creating a stopped runner starts it on its disk", async () => {
      const runner = await harness.runner();
      await runner.exec("echo kept > file");
      await harness.backend.stop(runner.id);
      await runner.hangUp();
      await harness.backend.create(runner.spec);
      expect((await runner.exec("cat file")).stdout).toBe("kept\n");
    });

    whereLost("stopping takes the disk along, and all there is; created again it is another", async () => {
      const runner = await harness.runner();
      await runner.exec("echo lost > file");
      const { epoch } = (await runner.client.call(daemonApi.health, {})).journal;
      await harness.backend.stop(runner.id);
      await runner.hangUp();
      expect(await sighting(runner.id)).toBeUndefined();
      await expect(harness.backend.start(runner.spec)).rejects.toMatchObject({ code: "runner_lost" });
      await harness.backend.create(runner.spec);
      expect((await runner.exec("ls")).stdout).toBe("");
      expect((await runner.client.call(daemonApi.health, {})).journal.epoch).not.toBe(epoch);
    });

    test("destroying leaves nothing, is idempotent, and a destroyed runner is reported as lost", async () => {
      const runner = await harness.runner();
      await runner.exec("echo gone > file");
      await harness.backend.destroy(runner.id);
      await runner.hangUp();
      await harness.backend.destroy(runner.id);
      await runner.hangUp();
      expect(await sighting(runner.id)).toBeUndefined();
      for (const attempt of [
        () => harness.backend.dial(runner.id, AbortSignal.timeout(2_000)),
        () => harness.backend.start(runner.spec),
        () => harness.backend.stop(runner.id),
        () => harness.backend.getUsage(runner.id),
      ])
        await expect(attempt()).rejects.toMatchObject({ code: "runner_lost" });
      await harness.backend.create(runner.spec);
      expect((await runner.exec("ls")).stdout).toBe("");
    });

    test("resource usage is measured", async () => {
      const runner = await harness.runner();
      await runner.exec("seq 1 100000 | wc -l");
      const used = await harness.backend.getUsage(runner.id);
      expect(used.memoryPeakBytes).toBeGreaterThanOrEqual(used.memoryBytes);
      expect(used.cpuSeconds).toBeGreaterThan(0);
      expect(used.launch?.cpuSeconds).toBe(used.cpuSeconds);
      await expect
        .poll(async () => (await harness.backend.getUsage(runner.id)).launch?.runningSeconds, { timeout: 30_000 })
        .toBeGreaterThan(0);
    });

    test("a dial stops at its signal and reports why", async () => {
      const runner = await harness.runner();
      await runner.link();
      const reason = new Error("it took too long");
      // A backend that offers another wire at once has nothing to wait for.
      const second = harness.backend.dial(runner.id, AbortSignal.abort(reason)).then((wire) => wire.destroy());
      await expect(second).rejects.toBe(reason);
    });

    test("a server of an earlier lease and a server without the key are refused, and the right one reconnects", async () => {
      const runner = await harness.runner();
      runner.epoch = 6;
      await runner.link();
      await runner.hangUp();
      await expect(runner.dial(3)).rejects.toMatchObject({ code: "wire_superseded" });
      await expect(runner.dial(8, "ab".repeat(32))).rejects.toMatchObject({
        code: expect.stringMatching(/^runner_(hostile|unavailable)$/),
      });
      await expect(runner.client.call(daemonApi.health, {})).resolves.toMatchObject({ runner_id: runner.id });
    });
  });
}
