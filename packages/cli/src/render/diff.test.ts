import { expect, test } from "vitest";
import { formatDiffStat, formatPatch } from "./diff.ts";
import { createStyle } from "./style.ts";

test("lists the changes file by file, and shortens a long list", () => {
  const plain = createStyle(false);
  expect(formatDiffStat([], plain)).toBe("nothing was changed");
  expect(
    formatDiffStat(
      [
        { path: "a.js", additions: 2, deletions: 1 },
        { path: "long/b.js", additions: 0, deletions: 3 },
      ],
      plain,
    ),
  ).toBe("2 files, +2 −4\na.js       +2 −1\nlong/b.js  +0 −3");
  const many = Array.from({ length: 25 }, (_, i) => ({ path: `f${i}`, additions: 1, deletions: 0 }));
  expect(formatDiffStat(many, plain).split("\n").at(-1)).toBe("and 5 more");
});

test("colours added and removed lines, but not file names", () => {
  const style = createStyle(true);
  expect(formatPatch("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same", style)).toBe(
    [
      style.bold("--- a/x"),
      style.bold("+++ b/x"),
      style.cyan("@@ -1 +1 @@"),
      style.red("-old"),
      style.green("+new"),
      " same",
    ].join("\n"),
  );
});
