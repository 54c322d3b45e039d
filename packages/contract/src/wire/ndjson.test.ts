import { describe, expect, test } from "vitest";
import { WireProtocolError } from "./errors.ts";
import { readNdjsonLines } from "./ndjson.ts";

async function lines(text: string, size: number, maxBytes = 1000): Promise<string[]> {
  const bytes = Buffer.from(text);
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  return Array.fromAsync(readNdjsonLines(pieces(), maxBytes));
}

describe("NDJSON lines", () => {
  test("are the same however the bytes are split, also inside a character", async () => {
    const text = '{"a":1}\n\n\r\n{"b":"äöü€"}\n"the last, without a newline"';
    for (let size = 1; size <= Buffer.byteLength(text); size++) {
      expect(await lines(text, size)).toEqual(['{"a":1}', '{"b":"äöü€"}', '"the last, without a newline"']);
    }
  });

  test("are bounded, whether their end has arrived or not", async () => {
    for (const text of ["x".repeat(1001), `${"x".repeat(1001)}\n`]) {
      for (const size of [1, 64, 2000]) await expect(lines(text, size)).rejects.toThrow(WireProtocolError);
    }
    expect(await lines(`${"x".repeat(1000)}\n`, 7)).toEqual(["x".repeat(1000)]);
  });
});
