import fc from "fast-check";
import { expect, test } from "vitest";
import { parseLine, encodeLine, toRecordJson } from "./line.ts";
import { parseSegment } from "./segment.ts";

const line = (seq: number, text: string, opensGroup: boolean): Buffer =>
  Buffer.from(encodeLine(toRecordJson(seq, JSON.stringify({ text })), opensGroup));
const records = fc.array(fc.record({ text: fc.string({ unit: "binary" }), opensGroup: fc.boolean() }), {
  maxLength: 12,
});

test("a line with any text is read back unchanged", () => {
  fc.assert(
    fc.property(fc.nat(), fc.string({ unit: "binary" }), fc.boolean(), (n, text, opensGroup) => {
      const decoded = parseLine(line(n + 1, text, opensGroup).subarray(0, -1));
      expect(decoded).toMatchObject({ seq: n + 1, opensGroup });
      expect(JSON.parse(String(decoded?.json))).toEqual({ seq: n + 1, text });
    }),
  );
});

test("scanning any bytes ends, and the bytes it calls intact are intact", () => {
  fc.assert(
    fc.property(records, fc.uint8Array({ maxLength: 200 }), fc.nat(), (entries, garbage, index) => {
      const clean = Buffer.concat(entries.map(({ text, opensGroup }, i) => line(i + 1, text, opensGroup)));
      const position = index % (clean.length + 1);
      const bytes = Buffer.concat([clean.subarray(0, position), garbage, clean.subarray(position)]);
      const scan = parseSegment(bytes, 1);
      const rescan = parseSegment(bytes.subarray(0, scan.length), 1);
      expect(rescan).toEqual({ ...scan, end: "clean" });
      expect(scan.length).toBeLessThanOrEqual(bytes.length);
      const wholeBefore = clean.subarray(0, position).lastIndexOf(0x0a) + 1;
      expect(scan.length).toBeGreaterThanOrEqual(wholeBefore);
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 500) },
  );
});

test("one changed byte never passes as a record, and counts as damage exactly if a later group follows it", () => {
  fc.assert(
    fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (entries, index, change) => {
      const lines = entries.map(({ text, opensGroup }, i) => line(i + 1, text, opensGroup));
      const bytes = Buffer.concat(lines);
      if (bytes.length === 0) return;
      const position = index % bytes.length;
      let hit = 0;
      for (let end = 0; hit < lines.length; hit++) if (position < (end += lines[hit]?.length ?? 0)) break;
      bytes[position] = (bytes[position] ?? 0) ^ change;
      const scan = parseSegment(bytes, 1);
      expect(scan.count).toBe(hit);
      // A lost line feed joins the next record to the bad one.
      const lostFeed = position === lines.slice(0, hit + 1).reduce((sum, { length }) => sum + length, 0) - 1;
      const later = entries.slice(hit + (lostFeed ? 2 : 1)).some(({ opensGroup }) => opensGroup);
      expect(scan.end).toBe(later ? "damaged" : "torn");
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 500) },
  );
});
