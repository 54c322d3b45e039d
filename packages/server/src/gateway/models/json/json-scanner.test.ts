import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonScanner, type Scalar } from "./json-scanner.ts";
import { compileShape, type Shape } from "./shape.ts";

const shape = { a: "value", inner: { b: "value" }, text: "text" } satisfies Shape;

/** Scans a text in chunks of the given sizes, the last of which is repeated. */
function scan(text: string | Buffer, sizes: readonly number[] = [Infinity], toKey?: (key: string) => string) {
  const found: [string, Scalar | undefined][] = [];
  const onValue = (path: string, value: Scalar | undefined) => void found.push([path, value]);
  const scanner = new JsonScanner({ shape: compileShape(shape, toKey), onValue, toKey });
  const bytes = Buffer.from(text);
  for (let offset = 0, index = 0; offset < bytes.length; index++) {
    const size = Math.max(1, sizes[Math.min(index, sizes.length - 1)] ?? 1);
    scanner.add(bytes.subarray(offset, offset + size));
    offset += size;
  }
  return { problem: scanner.end(), found, textBytes: scanner.textBytes };
}

const chunkSizes = fc.array(fc.nat(40), { minLength: 1 });

describe("a JSON text", () => {
  test("has the values that JSON.parse finds, however it is cut", () => {
    const scalar = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
    );
    const content = fc.record({ a: scalar, other: fc.json().map((text) => JSON.parse(text) as unknown), b: scalar });
    fc.assert(
      fc.property(content, chunkSizes, fc.nat(3), ({ a, other, b }, sizes, indent) => {
        const value = { other, a, [`x${String(a)}`]: other, inner: { other, b } };
        const { problem, found } = scan(JSON.stringify(value, undefined, indent), sizes);
        expect(problem).toBeUndefined();
        const parsed = JSON.parse(JSON.stringify(value)) as typeof value;
        expect(found).toEqual([
          ["a", parsed.a],
          ["inner.b", parsed.inner.b],
        ]);
      }),
    );
  });

  test("is accepted exactly if JSON.parse accepts it, apart from the spelling of skipped numbers", () => {
    const text = fc.string({
      unit: fc.constantFrom(...'{}[]:," \\nu0a1'.split(""), '"a":', "null", "{}", '"\\u00e9"'),
      maxLength: 12,
    });
    const parses = (text: string) => {
      try {
        return JSON.parse(text) !== undefined;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(text, chunkSizes, (text, sizes) => {
        const isAccepted = scan(text, sizes).problem === undefined;
        if (parses(text)) expect(isAccepted).toBe(true);
        else if (isAccepted) expect(text).toMatch(/[01]\w/);
      }),
      { numRuns: 5_000 },
    );
  });

  test.each([
    ["nothing", "", "empty"],
    ["white space", " \n", "empty"],
    ["a byte order mark", '\uFEFF{"a":1}', "not JSON"],
    ["a second value", '{"a":1}{"a":2}', "follows"],
    ["a comment", '{"a":1/**/}', "not JSON"],
    ["a comma too much", '{"a":1,}', "not JSON"],
    ["single quotes", "{'a':1}", "not JSON"],
    ["a key without quotes", "{a:1}", "not JSON"],
    ["NaN", '{"a":NaN}', "not JSON"],
    ["a number with a leading zero", '{"a":01}', "not JSON"],
    ["a line break in a string", '{"a":"\n"}', "control character"],
    ["an unknown escape", '{"a":"\\x41"}', "escape"],
    ["half an escape", '{"a":"\\u00g0"}', "escape"],
    ["the wrong bracket", '{"a":[1}', "not JSON"],
    ["no end", '{"a":1', "too early"],
    ["an open string", '{"a":"1', "too early"],
    ["endless depth", "[".repeat(1_000_000), "deep"],
  ])("with %s is refused", (_what, text, problem) => {
    expect(scan(text).problem).toContain(problem);
    expect(scan(text, [1]).problem).toContain(problem);
  });

  test("has its text counted, without keys and numbers", () => {
    expect(scan('{"text":["four",{"key":"fife!"},7],"a":"not this"}', [3]).textBytes).toBe(9);
  });

  test("has a container or a long value reported as undefined", () => {
    expect(scan('{"a":{"a":1},"inner":{"b":[1]}}').found).toEqual([
      ["a", undefined],
      ["inner.b", undefined],
    ]);
    expect(scan(JSON.stringify({ a: "x".repeat(100_000) }), [1_000]).found).toEqual([["a", undefined]]);
  });

  test("must not repeat a wanted key if keys are translated, in any spelling", () => {
    const toLower = (key: string) => key.toLowerCase();
    for (const text of ['{"a":1,"A":2}', '{"a":1,"\\u0061":2}', '{"inner":{"b":1,"B":2}}', '{"inner":1,"inner":{}}'])
      expect(scan(text, [2], toLower).problem).toContain("twice");
    expect(scan('{"A":1,"x":{"a":1,"a":2},"x":3}', [2], toLower)).toMatchObject({
      problem: undefined,
      found: [["a", 1]],
    });
  });

  test("must not have many keys that have to be translated", () => {
    const text = JSON.stringify(Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`k${n}`, 1])));
    expect(scan(text, [Infinity], (key) => key).problem).toContain("too many keys");
    expect(scan(text).problem).toBeUndefined();
  });
});
