import { describe, expect, it } from "vitest";
import { numbersIn, proofsIn } from "./acceptance.ts";

describe("the list of proofs", () => {
  it("reads single numbers and ranges", () => {
    expect(numbersIn(" K-007…K-009, X-010: because of G-001…003")).toEqual([
      "K-007",
      "K-008",
      "K-009",
      "X-010",
      "G-001",
      "G-002",
      "G-003",
    ]);
  });

  it("names the test that follows the comment, and nothing for a comment that none follows", () => {
    const source = ["// K-056", '  it("stops a run", () => {});', "// K-057 is told of elsewhere"].join("\n");
    expect(proofsIn("a.test.ts", source)).toEqual([["K-056", { file: "a.test.ts", test: "stops a run" }]]);
  });

  it("finds the title behind a table of cases", () => {
    const source = ["// S-037", "it.each(cases)(`is ${name}`, () => {});"].join("\n");
    expect(proofsIn("a.test.ts", source)).toHaveLength(1);
  });
});
