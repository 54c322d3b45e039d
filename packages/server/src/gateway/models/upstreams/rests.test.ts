import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Rests } from "./rests.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a rest ends by itself, or with an answer", () => {
  const rests = new Rests();
  const upstream = "a";
  rests.begin({ upstream }, Date.now() + 1_000);
  expect(rests.getEnd({ upstream, model: "m" })).toBe(Date.now() + 1_000);
  expect(rests.getEnd({ upstream: "b" })).toBeUndefined();
  vi.advanceTimersByTime(1_000);
  expect(rests.getEnd({ upstream, model: "m" })).toBeUndefined();
  rests.begin({ upstream }, Date.now() + 1_000);
  rests.end({ upstream, model: "m" });
  expect(rests.getEnd({ upstream })).toBeUndefined();
});

test("a rest of one model leaves the others", () => {
  const rests = new Rests();
  rests.begin({ upstream: "a", model: "m" }, Date.now() + 1_000);
  expect(rests.getEnd({ upstream: "a", model: "m" })).toBeDefined();
  expect(rests.getEnd({ upstream: "a", model: "n" })).toBeUndefined();
  expect(rests.getEnd({ upstream: "a" })).toBeUndefined();
  rests.end({ upstream: "a", model: "n" });
  expect(rests.getEnd({ upstream: "a", model: "m" })).toBeDefined();
});

test("a rest is never shortened, and lasts a day at most", () => {
  const rests = new Rests();
  rests.begin({ upstream: "a" }, Date.now() + 60_000);
  rests.begin({ upstream: "a" }, Date.now() + 1_000);
  expect(rests.getEnd({ upstream: "a" })).toBe(Date.now() + 60_000);
  rests.begin({ upstream: "a" }, Number.MAX_SAFE_INTEGER);
  expect(rests.getEnd({ upstream: "a" })).toBe(Date.now() + 24 * 3_600_000);
  rests.begin({ upstream: "b" }, Date.now() - 1);
  expect(rests.getEnd({ upstream: "b" })).toBeUndefined();
});

test("an agent that makes up models cannot fill the memory", () => {
  const rests = new Rests();
  for (let n = 0; n <= 1_000; n++) rests.begin({ upstream: "a", model: `m-${n}` }, Date.now() + 60_000);
  expect(rests.getEnd({ upstream: "a", model: "m-0" })).toBeUndefined();
  expect(rests.getEnd({ upstream: "a", model: "m-1" })).toBeDefined();
  expect(rests.getEnd({ upstream: "a", model: "m-1000" })).toBeDefined();
});
