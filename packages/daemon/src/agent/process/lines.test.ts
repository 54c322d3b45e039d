import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteBudget, splitText } from "../events/byte-budget.ts";
import { readLines } from "./lines.ts";

const numRuns = Number(process.env["FUZZ_CASES"] ?? 100);

const collectLines = (chunks: Buffer[], maxBytes = 1_000, overlong: "split" | "fail" = "split"): Promise<string[]> =>
  Array.fromAsync(readLines(Readable.from(chunks), { maxBytes, overlong }));

test("lines are the same however the bytes are split", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme" }).map((line) => line.replaceAll(/[\r\n]/g, ""))),
      fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
      async (lines, cuts) => {
        const all = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const chunks: Buffer[] = [];
        for (let at = 0; at < all.length;) {
          const size: number = cuts.next().value ?? 1;
          chunks.push(all.subarray(at, at + size));
          at += size;
        }
        expect(await collectLines(chunks)).toEqual(lines);
      },
    ),
    { numRuns },
  );
});

test("a last line needs no line end, and CRLF is one line end", async () => {
  expect(await collectLines([Buffer.from("a\r\n\r\nb")])).toEqual(["a", "", "b"]);
});

test("a line that is too long is cut between characters, or refused", async () => {
  expect(await collectLines([Buffer.from("ab€€€€cd\nx")], 6)).toEqual(["ab€", "€€", "€cd", "x"]);
  await expect(collectLines([Buffer.from("ab"), Buffer.from("cdefg")], 6, "fail")).rejects.toThrow(
    "longer than 6 bytes",
  );
});

test("the pieces of a text join to the text, and none is too large", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), fc.integer({ min: 4, max: 40 }), (text, bytes) => {
      const all = [...splitText(text, bytes)];
      expect(all.join("")).toBe(text);
      expect(all.every((piece) => Buffer.byteLength(piece) <= bytes)).toBe(true);
    }),
    { numRuns },
  );
});

test("a budget bounds any value and marks what it cut", () => {
  expect(new ByteBudget(10).clipText("0123456789abc")).toBe("0123456789… [3 bytes cut]");
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      expect(Buffer.byteLength(JSON.stringify(new ByteBudget(300).clipValue(value)) ?? "")).toBeLessThan(6_000);
      expect(new ByteBudget(10_000_000).clipValue(value)).toEqual(value);
    }),
    { numRuns },
  );
  let deep: unknown = "end";
  for (let i = 0; i < 10_000; i++) deep = [deep];
  expect(JSON.stringify(new ByteBudget().clipValue(deep))).toContain("too deep");
});
