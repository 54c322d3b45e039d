import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { expect, test } from "vitest";
import { LeaseLost } from "./lease.ts";
import { Tenure } from "./tenure.ts";

const createTenure = () => new Tenure({ runner_id: "r", server_id: "s", epoch: 1 }, async () => undefined);
const never = () => new Promise<never>(() => undefined);

test("a step that times out ends with an error that names it, even if its work ignores the signal", async () => {
  const tenure = createTenure();
  const error = await tenure.runStep({ name: "clone", maxMs: 10 }, never).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(WharfError);
  expect(error).toMatchObject({ code: "runner_timeout", context: { phase: "clone" } });
});

test("a step ends when the lease is lost or one of its signals aborts", async () => {
  const lost = createTenure();
  const first = lost.runStep({ name: "clone", maxMs: 60_000 }, never);
  lost.lose();
  await expect(first).rejects.toThrow(LeaseLost);
  const stop = new AbortController();
  const second = createTenure().runStep({ name: "clone", maxMs: 60_000, signals: [stop.signal] }, never);
  stop.abort(new Error("stopped"));
  await expect(second).rejects.toThrow("stopped");
});

test("a running step gets the reason for its end, and a step that starts too late never runs", async () => {
  const tenure = createTenure();
  let seen: unknown;
  const step = tenure.runStep({ name: "clone", maxMs: 60_000 }, async (signal) => {
    await sleep(60_000, undefined, { signal }).catch(() => (seen = signal.reason));
    throw new Error("ended");
  });
  tenure.lose();
  await expect(step).rejects.toThrow(LeaseLost);
  await sleep(0);
  expect(seen).toBeInstanceOf(LeaseLost);
  let hasRun = false;
  await expect(tenure.runStep({ name: "late", maxMs: 1_000 }, async () => (hasRun = true))).rejects.toThrow(LeaseLost);
  expect(hasRun).toBe(false);
});

test("a tenure with a step that ignores its end is not responsive until the step has settled", async () => {
  const tenure = new Tenure({ runner_id: "r", server_id: "s", epoch: 1 }, async () => undefined, 0);
  const held = Promise.withResolvers<void>();
  await tenure.runStep({ name: "slow", maxMs: 1 }, () => held.promise).catch(() => undefined);
  await sleep(1);
  expect(tenure.isResponsive).toBe(false);
  held.resolve();
  await sleep(0);
  expect(tenure.isResponsive).toBe(true);
});
