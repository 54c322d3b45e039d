import { daemonApi } from "@wharf/contract";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, type Runner } from "../conformance-harness.ts";

const maxGrowth = 300 * 2 ** 20; // bytes
const patience = 10_000; // ms

/** Each hostile mode, with the call through which the server notices it. */
const modes: Readonly<Record<string, (runner: Runner) => Promise<unknown>>> = {
  "garbage for a handshake": (runner) => runner.dial(1),
  "a wrong key": (runner) => runner.dial(1),
  "bytes that are no frames": health,
  "a stream that was never opened": health,
  "a frame of 1 GB": health,
  "endless pings": health,
  "an answer of 500 MB": health,
  "an answer that is no HTTP": health,
  "an answer of another kind": health,
  "a journal line without an end": journal,
  "a journal that is no JSON": journal,
};

async function health(runner: Runner): Promise<unknown> {
  const link = await runner.dial(1);
  const gone = new Promise((_, reject) => link.signal.addEventListener("abort", () => reject(link.signal.reason)));
  gone.catch(() => undefined);
  return Promise.race([gone, link.client.call(daemonApi.health, {}, { timeoutMs: patience })]);
}

async function journal(runner: Runner): Promise<unknown> {
  const link = await runner.dial(1);
  return Array.fromAsync(link.client.stream(daemonApi.journal, { query: { after: 0 } }, { timeoutMs: patience }));
}

export function hostile(under: BackendUnderTest): void {
  describe("a hostile daemon", () => {
    let harness: ConformanceHarness;
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
    });
    afterEach(() => harness.backendHarness.setMode("good"));
    afterAll(() => harness[Symbol.asyncDispose]());

    test.each(Object.keys(modes))(
      "with %s is detected in bounded memory, and its neighbour is unaffected",
      async (mode) => {
        const neighbour = await harness.runner();
        await neighbour.link();
        const before = process.memoryUsage.rss();
        await harness.backendHarness.setMode(mode);
        const runner = await harness.runner();
        await expect(modes[mode]!(runner)).rejects.toMatchObject({ code: "runner_hostile" });
        expect(process.memoryUsage.rss() - before).toBeLessThan(maxGrowth);
        expect((await neighbour.exec("echo fine")).stdout).toBe("fine\n");
        for (const { id } of [runner, neighbour]) await harness.backend.destroy(id);
      },
    );
  });
}
