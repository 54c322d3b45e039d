import { expect, test } from "vitest";
import { fillTimes, formatTotalCost, getStart, joinRows } from "./report.ts";

const models = {
  requests: 1,
  failed_requests: 0,
  estimated_requests: 0,
  implausible_requests: 0,
  unpriced_requests: 0,
  input_tokens: 1,
  cached_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 1,
  thinking_tokens: 0,
  cost_usd: 1,
  duration_ms: 1,
};
const runners = { running_seconds: 1, cpu_seconds: 2, memory_gib_hours: 0, storage_gib_hours: 0 };
const nowMs = Date.parse("2026-03-10T05:30:00Z");

test("a range of days begins with a day in UTC and ends today", () => {
  expect(getStart(1, nowMs)).toBe("2026-03-10T00:00:00.000Z");
  expect(getStart(7, nowMs)).toBe("2026-03-04T00:00:00.000Z");
});

test("days and hours without usage are shown too", () => {
  const row = { key: "2026-03-09T00:00:00.000Z", models };
  const days = fillTimes([row], getStart(3, nowMs), nowMs, "day");
  expect(days.map(({ key }) => key?.slice(8, 10))).toEqual(["08", "09", "10"]);
  expect(days[1]).toBe(row);
  expect(fillTimes([], getStart(1, nowMs), nowMs, "hour")).toHaveLength(6);
});

test("what models and runners used is joined by its key", () => {
  const rows = joinRows(
    [
      { key: "b", name: "Bo", ...models },
      { key: null, ...models },
    ],
    [
      { key: "a", ...runners },
      { key: "b", name: "Bo", ...runners },
    ],
  );
  expect(rows.map(({ key, models: one, runners: two }) => [key, one?.requests, two?.cpu_seconds])).toEqual([
    ["b", 1, 2],
    [null, 1, undefined],
    ["a", undefined, 2],
  ]);
});

test("a cost says that it lacks requests without a price", () => {
  expect(formatTotalCost(models)).toBe("$1.00");
  expect(formatTotalCost({ ...models, unpriced_requests: 2 })).toBe("$1.00 or more");
  expect(formatTotalCost({ ...models, cost_usd: 0, unpriced_requests: 2 })).toBe("unknown");
});
