import { expect, test } from "vitest";
import { parsePatch, toPairs } from "./patch.ts";

const patch = `diff --git a/query.sql b/query.sql
index 111..222 100644
--- a/query.sql
+++ b/query.sql
@@ -1,3 +1,3 @@ select
 select 1
--- a comment
+++ another
 from here
@@ -9 +9,2 @@
-last
+last one
+and more
\\ No newline at end of file
`;

test("lines have their numbers, also if they look like headers", () => {
  expect(parsePatch(patch)).toEqual([
    { type: "hunk", text: "select", oldLine: 1, newLine: 1 },
    { type: "same", text: "select 1", oldLine: 1, newLine: 1 },
    { type: "removed", text: "-- a comment", oldLine: 2 },
    { type: "added", text: "++ another", newLine: 2 },
    { type: "same", text: "from here", oldLine: 3, newLine: 3 },
    { type: "hunk", text: "", oldLine: 9, newLine: 9 },
    { type: "removed", text: "last", oldLine: 9 },
    { type: "added", text: "last one", newLine: 9 },
    { type: "added", text: "and more", newLine: 10 },
    { type: "note", text: "No newline at end of file" },
  ]);
});

test("a replaced line is beside its replacement", () => {
  const pairs = toPairs(parsePatch(patch)).flatMap((pair) =>
    "whole" in pair ? [] : [[pair.before?.text, pair.after?.text]],
  );
  expect(pairs).toEqual([
    ["select 1", "select 1"],
    ["-- a comment", "++ another"],
    ["from here", "from here"],
    ["last", "last one"],
    [undefined, "and more"],
  ]);
});

test("a binary file says so", () => {
  expect(parsePatch("diff --git a/a b/a\nBinary files a/a and b/a differ\n")).toEqual([
    { type: "note", text: "Binary files a/a and b/a differ" },
  ]);
});
