import { expect, test } from "vitest";
import { highlightLines } from "./highlight.ts";
import { parsePatch } from "./patch.ts";

const patch = [
  "@@ -1,3 +1,3 @@",
  " // counts",
  '-const one = "1";',
  "+const one = 1;",
  " /* begins",
  "@@ -9,1 +9,1 @@ with a comment that this hunk does not end",
  "-return 2",
  "+return null",
].join("\n");

const readTokens = async (path: string) => {
  const lines = parsePatch(patch);
  const highlighted = await highlightLines(path, lines);
  return lines.map((line) =>
    (highlighted.get(line) ?? []).flatMap(({ text, token }) => (token ? [[text, token]] : [])),
  );
};

test("both sides of a change have the colours of their language, and a hunk is read for itself", async () => {
  expect(await readTokens("src/one.ts")).toEqual([
    [],
    [["// counts", "comment"]],
    [
      ["const", "keyword"],
      ['"1"', "string"],
    ],
    [
      ["const", "keyword"],
      ["1", "number"],
    ],
    [["/* begins", "comment"]],
    [],
    [
      ["return", "keyword"],
      ["2", "number"],
    ],
    [
      ["return", "keyword"],
      ["null", "number"],
    ],
  ]);
});

test("no character of a line is lost", async () => {
  const lines = parsePatch(patch);
  const highlighted = await highlightLines("one.tsx", lines);
  for (const line of lines)
    if (line.type !== "hunk")
      expect(
        highlighted
          .get(line)
          ?.map(({ text }) => text)
          .join(""),
      ).toBe(line.text);
});

test("a file of an unknown language and a very long hunk have no colours", async () => {
  expect((await readTokens("notes.txt")).flat()).toEqual([]);
  const long = parsePatch(`@@ -0,0 +1,1 @@\n+const a = "${"x".repeat(30_000)}";`);
  expect((await highlightLines("a.ts", long)).size).toBe(0);
});
