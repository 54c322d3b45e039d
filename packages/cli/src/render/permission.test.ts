import { expect, test } from "vitest";
import { getOptionId } from "./permission.ts";

const options = [
  { option_id: "once", name: "Allow", option_kind: "allow_once" },
  { option_id: "ever", name: "Allow always", option_kind: "allow_always" },
  { option_id: "no", name: "Reject", option_kind: "reject_once" },
];

test("accepts an answer by number, id, or the beginning of a name or kind", () => {
  expect(["1", "ever", "reject", "Allow always", " 3 "].map((answer) => getOptionId(answer, options))).toEqual([
    "once",
    "ever",
    "no",
    "ever",
    "no",
  ]);
});

test('reads a plain "allow" as allow once, never as always', () => {
  expect(getOptionId("allow", options)).toBe("once");
});

test("rejects an answer that it does not understand", () => {
  expect(["", "4", "0", "perhaps"].map((answer) => getOptionId(answer, options))).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
