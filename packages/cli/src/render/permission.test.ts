import { expect, test } from "vitest";
import { getOptionId } from "./permission.ts";

const options = [
  { option_id: "once", name: "Allow", option_kind: "allow_once" },
  { option_id: "ever", name: "Allow always", option_kind: "allow_always" },
  { option_id: "no", name: "Reject", option_kind: "reject_once" },
];

test("takes an answer by number, id, or the beginning of a name or kind", () => {
  expect(["1", "ever", "reject", "Allow always", " 3 "].map((answer) => getOptionId(answer, options))).toEqual([
    "once",
    "ever",
    "no",
    "ever",
    "no",
  ]);
});

test("takes a plain yes as yes for once, never for always", () => {
  expect(getOptionId("allow", options)).toBe("once");
});

test("takes nothing that it does not understand", () => {
  expect(["", "4", "0", "perhaps"].map((answer) => getOptionId(answer, options))).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
