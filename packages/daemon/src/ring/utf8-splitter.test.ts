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
      let written = 0;
      const out: Buffer[] = [];
      for (const piece of cutAt(Buffer.from(bytes), cuts)) {
        written += piece.length;
        out.push(edge.write(piece));
        expect(written - Buffer.concat(out).length).toBeLessThanOrEqual(3);
      }
      expect(Buffer.concat([...out, edge.end()]).equals(Buffer.from(bytes))).toBe(true);
    }),
    runs,
  );
});

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted((a, b) => a - b);
  return at.slice(1).map((end, n) => bytes.subarray(at[n], end));
}
