import { daemonApi, type Endpoint, rawFilesApi, terminalStreams } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConformanceHarness, createRunnerSpec } from "../conformance-harness.ts";
import type { BackendUnderTest } from "../backend-under-test.ts";

const unregistered = (_title: string, _body: () => Promise<void>): void => undefined;

export function lifecycle(under: BackendUnderTest): void {
  describe("lifecycle", () => {
    let bench: ConformanceHarness;
    beforeAll(async () => {
      bench = await ConformanceHarness.open(under);
    });
    afterAll(() => bench[Symbol.asyncDispose]());

    const sighting = async (id: string) =>
      (await Array.fromAsync(bench.backend.list())).find((one) => one.id === id)?.state;

    // S-018
    test("creating is idempotent, also at the same time, and a daemon answers", async () => {
      const spec = createRunnerSpec();
      await Promise.all([bench.backend.create(spec), bench.backend.create(spec)]);
      await bench.backend.create(spec);
      expect(await sighting(spec.id)).toBe("running");
      const runner = bench.adopt(spec);
      const health = await runner.client.call(daemonApi.health, {});
      expect(health).toMatchObject({ runner_id: spec.id, agent: { status: "none" }, workspace: { cloned: false } });
      expect(health.journal).toMatchObject({ first: 1, last: 0, acked: 0 });
      const before = health.uptime_s;
      await bench.backend.create(spec);
      expect((await runner.client.call(daemonApi.health, {})).uptime_s).toBeGreaterThanOrEqual(before);
    });

    // The daemon knows every route that a caller may use.
    test("the daemon knows every route of the contract", async () => {
      const runner = await bench.runner();
      const routes: [string, Endpoint][] = Object.entries({ ...daemonApi, ...rawFilesApi, ...terminalStreams });
      const known = await Promise.all(routes.map(([, route]) => runner.knows(route)));
      expect(routes.filter((_, i) => !known[i]).map(([name]) => name)).toEqual([]);
      await bench.backend.destroy(runner.id);
    });

    const { keepsDisk = true } = under.capabilities;
    // Tests that do not apply to a backend are not registered: a skipped test counts as a missing
    // one.
    const whereKept = keepsDisk ? test : unregistered;
    const whereLost = keepsDisk ? unregistered : test;

    // S-066
    whereKept("stopping keeps the disk and starting restores it; both are idempotent", async () => {
      const runner = await bench.runner();
      await runner.exec("echo kept > file");
      const { epoch } = (await runner.client.call(daemonApi.health, {})).journal;
      await bench.backend.stop(runner.id);
      await runner.hangUp();
      await bench.backend.stop(runner.id);
      await runner.hangUp();
      expect(await sighting(runner.id)).toBe("stopped");
      await expect(bench.backend.dial(runner.id, AbortSignal.timeout(5_000))).rejects.toMatchObject({
        code: "runner_unavailable",
      });
      await bench.backend.start(runner.spec);
      await bench.backend.start(runner.spec);
      expect(await sighting(runner.id)).toBe("running");
      expect((await runner.exec("cat file")).stdout).toBe("kept\n");
      expect((await runner.client.call(daemonApi.health, {})).journal.epoch).toBe(epoch);
    });

    whereKept("creating a stopped runner starts it on its disk", async () => {
      const runner = await bench.runner();
      await runner.exec("echo kept > file");
      await bench.backend.stop(runner.id);
      await runner.hangUp();
      await bench.backend.create(runner.spec);
      expect((await runner.exec("cat file")).stdout).toBe("kept\n");
    });

    whereLost("stopping takes the disk along, and all there is; created again it is another", async () => {
      const runner = await bench.runner();
      await runner.exec("echo lost > file");
      const { epoch } = (await runner.client.call(daemonApi.health, {})).journal;
      await bench.backend.stop(runner.id);
      await runner.hangUp();
      expect(await sighting(runner.id)).toBeUndefined();
      await expect(bench.backend.start(runner.spec)).rejects.toMatchObject({ code: "runner_lost" });
      await bench.backend.create(runner.spec);
      expect((await runner.exec("ls")).stdout).toBe("");
      expect((await runner.client.call(daemonApi.health, {})).journal.epoch).not.toBe(epoch);
    });

    test("destroying leaves nothing, is idempotent, and a destroyed runner is reported as lost", async () => {
      const runner = await bench.runner();
      await runner.exec("echo gone > file");
      await bench.backend.destroy(runner.id);
      await runner.hangUp();
      await bench.backend.destroy(runner.id);
      await runner.hangUp();
      expect(await sighting(runner.id)).toBeUndefined();
      for (const attempt of [
        () => bench.backend.dial(runner.id, AbortSignal.timeout(2_000)),
        () => bench.backend.start(runner.spec),
        () => bench.backend.stop(runner.id),
        () => bench.backend.getUsage(runner.id),
      ])
        await expect(attempt()).rejects.toMatchObject({ code: "runner_lost" });
      await bench.backend.create(runner.spec);
      expect((await runner.exec("ls")).stdout).toBe("");
    });

    test("resource usage is measured", async () => {
      const runner = await bench.runner();
      await runner.exec("seq 1 100000 | wc -l");
      const used = await bench.backend.getUsage(runner.id);
      expect(used.memoryPeakBytes).toBeGreaterThanOrEqual(used.memoryBytes);
      expect(used.cpuSeconds).toBeGreaterThan(0);
    });

    test("a dial stops at its signal and reports why", async () => {
      const runner = await bench.runner();
      await runner.link();
      const reason = new Error("it took too long");
      // A backend that offers another wire at once has nothing to wait for.
      const second = bench.backend.dial(runner.id, AbortSignal.abort(reason)).then((wire) => wire.destroy());
      await expect(second).rejects.toBe(reason);
    });

    test("a server of an earlier lease and a server without the key are refused, and the right one reconnects", async () => {
      const runner = await bench.runner();
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
