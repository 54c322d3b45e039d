import { daemonApi, execApi } from "@wharf/contract";
import { expect, test } from "vitest";
import { dial, openMock, spec } from "./fixtures/bench.ts";
import { createRemoteSimulation } from "./index.ts";

// S-012
test("has 100 ms delay and 10 % failures for tools, 500 ms and 5 % for workspaces", () => {
  expect(createRemoteSimulation({ failures: true })).toEqual({
    tool: { latencyMs: 100, failureRate: 0.1 },
    workspace: { latencyMs: 500, failureRate: 0.05 },
  });
  expect(createRemoteSimulation({ failures: false })).toEqual({
    tool: { latencyMs: 100, failureRate: 0 },
    workspace: { latencyMs: 500, failureRate: 0 },
  });
});

// S-009 S-010
test("delays requests to the backend and to the daemon", async () => {
  const simulation = { tool: { latencyMs: 80, failureRate: 0 }, workspace: { latencyMs: 60, failureRate: 0 } };
  await using mock = await openMock({ simulation });
  const runner = spec();
  let began = performance.now();
  await mock.backend.create(runner);
  expect(performance.now() - began).toBeGreaterThan(55);
  using line = await dial(mock.backend, runner.id);
  began = performance.now();
  await line.client.call(daemonApi.health, {});
  expect(performance.now() - began).toBeGreaterThan(38);
  const { stdout } = await line.client.call(execApi.execOnce, { body: { command: "seq 1 10000" } });
  expect(stdout.split("\n")).toHaveLength(10_001);
});

test("makes operations fail at the configured rate, the same ones for the same seed", async () => {
  const simulation = { tool: { latencyMs: 0, failureRate: 0 }, workspace: { latencyMs: 0, failureRate: 0.5 } };
  const outcomes = async (seed: string) => {
    await using mock = await openMock({ simulation, seed });
    const attempts = Array.from({ length: 40 }, () => mock.backend.destroy("one"));
    return (await Promise.allSettled(attempts)).map(({ status }) => status);
  };
  const first = await outcomes("one");
  expect(new Set(first)).toEqual(new Set(["fulfilled", "rejected"]));
  expect(await outcomes("one")).toEqual(first);
  expect(await outcomes("two")).not.toEqual(first);
});

test("makes dials fail and breaks wires", async () => {
  const simulation = { tool: { latencyMs: 0, failureRate: 0.5 }, workspace: { latencyMs: 0, failureRate: 0 } };
  await using mock = await openMock({ simulation, seed: "any" });
  const runner = spec("a-runner-whose-fate-is-known");
  await mock.backend.create(runner);
  const seen = new Set<string>();
  for (let epoch = 1; epoch <= 100 && seen.size < 2; epoch++) {
    try {
      using line = await dial(mock.backend, runner.id, epoch);
      const body = { command: "head -c 400000 /dev/zero | tr '\\0' x" };
      await line.client.call(execApi.execOnce, { body });
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^runner_(unavailable|hostile)$/) });
      seen.add(String(error).includes("simulated failure of dial") ? "dial" : "wire");
    }
  }
  expect(seen).toEqual(new Set(["dial", "wire"]));
});
