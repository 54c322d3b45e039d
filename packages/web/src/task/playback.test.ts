import { expect, test } from "vitest";
import { getNextStep } from "./playback.ts";

const begin = Date.parse("2026-11-23T10:00:00Z");
/** Events at these times after the first one. */
const createEvents = (...timesMs: readonly number[]) =>
  timesMs.map((ms, index) => ({ seq: 11 + index, timestamp: new Date(begin + ms).toISOString() }));

test("each event comes after its time in the log, sooner at a higher speed", () => {
  const events = createEvents(0, 800, 1_600);
  expect(getNextStep(events, 11, 1)).toEqual({ seq: 12, delayMs: 800 });
  expect(getNextStep(events, 11, 4)).toEqual({ seq: 12, delayMs: 200 });
  expect(getNextStep(events, 12, 1)).toEqual({ seq: 13, delayMs: 800 });
});

test("events of the same moment come together, and nothing waits for a long silence", () => {
  expect(getNextStep(createEvents(0, 1, 2, 3_600_000), 11, 1)).toEqual({ seq: 14, delayMs: 2_002 });
  expect(getNextStep(createEvents(0, 10, 20, 1_000), 11, 16)).toEqual({ seq: 14, delayMs: 100 });
});

test("nothing follows the end", () => {
  expect(getNextStep(createEvents(0, 10), 12, 1)).toBeUndefined();
  expect(getNextStep([], 5, 1)).toBeUndefined();
});
