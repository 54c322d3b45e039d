import { expect, test } from "vitest";
import { formatDuration, formatSize } from "./numbers.ts";

test.each([
  [12, "12 ms"],
  [3_140, "3.1 s"],
  [42_400, "42 s"],
  [61_000, "1 min"],
  [7_300_000, "2 h"],
  [90_000_000, "1 d"],
])("formats %i ms", (ms, text) => expect(formatDuration(ms)).toBe(text));

test("formats sizes", () => {
  expect([0, 1_023, 1_536, 5 * 1_024 ** 3].map(formatSize)).toEqual(["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
});
