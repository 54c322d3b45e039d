import { expect, test } from "vitest";
import { diffLines } from "./line-diff.ts";

const format = (before: string, after: string) =>
  diffLines(before, after).map(({ change, text }) => `${{ added: "+", removed: "-", same: " " }[change]}${text}`);

test("a change has the lines around it", () => {
  const before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
  expect(format(before, before.replace("5", "five\nand"))).toEqual([
    " 2",
    " 3",
    " 4",
    "-5",
    "+five",
    "+and",
    " 6",
    " 7",
    " 8",
  ]);
});

test("equal lines between changes stay", () =>
  expect(format("a\nb\nc", "x\nb\ny")).toEqual(["-a", "+x", " b", "-c", "+y"]));

test("a new file has only added lines, and an unchanged one none", () => {
  expect(format("", "a\nb\n")).toEqual(["+a", "+b"]);
  expect(format("a\n", "a\n")).toEqual([]);
});

test("files that differ in thousands of lines are compared at once", () => {
  const before = Array.from({ length: 5_000 }, (_, index) => `a${index}`).join("\n");
  expect(diffLines(before, before.replaceAll("a", "b"))).toHaveLength(10_000);
});
