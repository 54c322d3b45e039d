import { TerminalEntry } from "@wharf/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { toTerminalEntry, encodeNotice } from "./terminal-entry.ts";

const runs = { numRuns: Number(process.env["FUZZ_CASES"] ?? 2_000) };

// S-069
test("any content of a terminal's ring is read as entries that the contract allows", () => {
  const notice = fc
    .jsonValue()
    .map((value) => JSON.stringify({ text: "t", notice: "resize", cols: 1, ...Object(value) }));
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    notice.map((text) => Buffer.from(text)),
    fc.nat(40).map((from) => encodeNotice({ text: "t", notice: "clear" }).subarray(from)),
  );
  fc.assert(
    fc.property(data, fc.oneof(fc.nat(5), fc.nat(0xffff_ffff)), fc.nat(), (bytes, type, offset) => {
      const entry = toTerminalEntry({ type, offset, sequence: 0, time: offset, data: bytes });
      expect(TerminalEntry.parse(entry).next).toBe(offset + Math.max(1, bytes.length));
    }),
    runs,
  );
});
