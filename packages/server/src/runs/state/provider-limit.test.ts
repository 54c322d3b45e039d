import fc from "fast-check";
import { expect, test } from "vitest";
import { getResumeTime } from "./provider-limit.ts";

const nowMs = Date.parse("2026-11-23T12:00:00Z");
const minute = 60_000;
const day = 24 * 60 * minute;
const getWait = (resetMs: number, resumes = 0) => {
  const resumeMs = getResumeTime({ resetMs: nowMs + resetMs, resumes }, nowMs);
  return resumeMs === undefined ? undefined : resumeMs - nowMs;
};

test.each([
  ["the provider's time", 20 * minute, 0, 20 * minute],
  ["a week", 7 * day, 0, 7 * day],
  ["a minute at least", 1_000, 0, minute],
  ["a minute if the time is over", -day, 0, minute],
  ["longer each time if the provider's times are wrong", 1_000, 3, 8 * minute],
  ["not much longer than an hour because of that", 1_000, 9, 60 * minute],
  ["the provider's time also after several resumes", 90 * minute, 9, 90 * minute],
])("a task waits %s", (_name, resetMs, resumes, waitMs) => {
  expect(getWait(resetMs, resumes)).toBe(waitMs);
});

test.each([
  ["ten years", 3_650 * day, 0],
  ["no time at all", Number.NaN, 0],
  ["the eleventh time without a prompt of a person", minute, 10],
])("a task does not wait %s", (_name, resetMs, resumes) => {
  expect(getWait(resetMs, resumes)).toBeUndefined();
});

test("no time of a provider makes a task wait for less than a minute or more than eight days", () => {
  fc.assert(
    fc.property(fc.double(), fc.nat(20), (resetMs, resumes) => {
      const waitMs = getWait(resetMs, resumes);
      expect(waitMs === undefined || (waitMs >= minute && waitMs <= 8 * day)).toBe(true);
    }),
  );
});
