import fc from "fast-check";
import { expect, test } from "vitest";
import { Utf8Splitter } from "./index.ts";

const runs = { numRuns: Number(process.env["FUZZ_CASES"] ?? 3000) };

test("text split anywhere is returned split between characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.array(fc.nat(60), { maxLength: 8 }), (text, cuts) => {
      const edge = new Utf8Splitter();
      const pieces = cutAt(Buffer.from(text), cuts).map((piece) => edge.write(piece).toString());
      expect(pieces.join("")).toBe(Buffer.from(text).toString());
      expect(edge.end()).toHaveLength(0);
    }),
    runs,
  );
});

test("invalid UTF-8 is returned unchanged, all but three bytes of it at once", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.array(fc.nat(60), { maxLength: 8 }), (bytes, cuts) => {
      const edge = new Utf8Splitter();
      let writtenBytes = 0;
      const pieces: Buffer[] = [];
      for (const piece of cutAt(Buffer.from(bytes), cuts)) {
        writtenBytes += piece.length;
        pieces.push(edge.write(piece));
        expect(writtenBytes - Buffer.concat(pieces).length).toBeLessThanOrEqual(3);
      }
      expect(Buffer.concat([...pieces, edge.end()]).equals(Buffer.from(bytes))).toBe(true);
    }),
    runs,
  );
});

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const cutOffsets = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted((a, b) => a - b);
  return cutOffsets.slice(1).map((end, n) => bytes.subarray(cutOffsets[n], end));
}
