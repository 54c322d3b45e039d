import { expect, test } from "vitest";
import { estimateEnd, getShare } from "./budget-burn.ts";

test("the share of a budget may exceed it, and a budget of nothing has no room", () => {
  expect(getShare({ amount_usd: 10, spent_usd: 2.5 })).toBe(0.25);
  expect(getShare({ amount_usd: 10, spent_usd: 20 })).toBe(2);
  expect(getShare({ amount_usd: 0, spent_usd: 0 })).toBe(1);
});

test("the end of a period is estimated once some of it has passed", () => {
  const day = { period_start: "2026-03-10T00:00:00Z", period_end: "2026-03-11T00:00:00Z", spent_usd: 3 };
  expect(estimateEnd(day, Date.parse("2026-03-10T06:00:00Z"))).toBe(12);
  expect(estimateEnd(day, Date.parse("2026-03-10T00:30:00Z"))).toBeUndefined();
  expect(estimateEnd({ spent_usd: 3 }, Date.parse("2026-03-10T06:00:00Z"))).toBeUndefined();
});
