import { expect, test } from "vitest";
import { backends } from "./backends.ts";
import { conformance } from "./conformance.ts";

const names = (process.env["WHARF_CONFORMANCE"] ?? "local,mock").split(",").filter(Boolean);

test("every backend that was asked for is known", () => {
  expect(names.filter((name) => !backends[name])).toEqual([]);
  expect(names.length).toBeGreaterThan(0);
});

for (const name of names) {
  const under = backends[name];
  if (under) conformance(name, under.open, under.capabilities);
}
