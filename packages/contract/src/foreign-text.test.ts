import fc from "fast-check";
import { expect, test } from "vitest";
import { toOneLine, toStorable } from "./foreign-text.ts";

const anyText = fc.string({ unit: "binary", maxLength: 200 });

test("any JSON loses NUL, half characters and endless nesting, and is otherwise unchanged", () => {
  expect(toStorable({ "a\0": ["\ud800", 1, null, true, "ok\n\u001b"] })).toEqual({
    "a\uFFFD": ["\uFFFD", 1, null, true, "ok\n\u001b"],
  });
  const deep: unknown = JSON.parse(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`);
  expect(JSON.stringify(toStorable(deep))).toContain("[nested too deeply]");
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
      const text = JSON.stringify(toStorable(value));
      expect(text).not.toMatch(/\\u0000|\\ud[89a-f]/i);
    }),
  );
});

test("any text becomes one storable line within its limit", () => {
  expect(toOneLine("a\0b\r\nc \u001b[31md\u009be\u2028f\ud800", 100)).toBe("a b c  [31md e f\uFFFD");
  expect(toOneLine("é".repeat(100), 10)).toBe("ééé…");
  fc.assert(
    fc.property(anyText, fc.integer({ min: 3, max: 60 }), (text, maxBytes) => {
      const line = toOneLine(text, maxBytes);
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(maxBytes);
      expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      expect(line.isWellFormed()).toBe(true);
    }),
  );
});
