import { describe, expect, test } from "vitest";
import { parseNumbers, findProofs } from "./acceptance.ts";

describe("the list of proofs", () => {
  test("reads single numbers and ranges", () => {
    expect(parseNumbers(" K-007…K-009, X-010: because of G-001…003")).toEqual([
      "K-007",
      "K-008",
      "K-009",
      "X-010",
      "G-001",
      "G-002",
      "G-003",
    ]);
  });

  test("names the test directly below the comment and refuses a comment elsewhere", () => {
    const source = ["// K-056", "// because of this", '  test("stops a run", () => {});'].join("\n");
    expect(findProofs("a.test.ts", source)).toEqual([["K-056", { file: "a.test.ts", test: "stops a run" }]]);
    for (const between of ["", "const run = 1;"]) {
      const apart = ["// K-057", between, 'test("stops a run", () => {});'].join("\n");
      expect(() => findProofs("a.test.ts", apart)).toThrow("a.test.ts:1 names K-057");
    }
  });

  test.each(['withTestService("docker").test.for(["a"])(', "test.runIf(true)(", "test("])(
    "finds the title below %s",
    (begin) => {
      const source = ["// S-037", begin, '  "is a title",', "  () => {},", ");"].join("\n");
      expect(findProofs("a.test.ts", source)).toEqual([["S-037", { file: "a.test.ts", test: "is a title" }]]);
    },
  );

  test("finds the title after a table of cases", () => {
    const source = ["// S-037", "test.each(cases)(`is ${name}`, () => {});"].join("\n");
    expect(findProofs("a.test.ts", source)).toHaveLength(1);
  });
});
