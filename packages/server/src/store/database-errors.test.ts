import { WharfError } from "@wharf/contract";
import { expect, test } from "vitest";
import { isDatabaseUnavailable, isUnstorable } from "./database-errors.ts";

const coded = (code: string, cause?: unknown) => Object.assign(new Error("it failed", { cause }), { code });

test("recognizes an unavailable database by its own code or its driver's, however deep in the causes", () => {
  for (const code of ["57P01", "08006", "53100", "53300", "ECONNRESET", "EPIPE"])
    expect(isDatabaseUnavailable(coded(code))).toBe(true);
  expect(isDatabaseUnavailable(new Error("query failed", { cause: coded("57P01") }))).toBe(true);
  expect(isDatabaseUnavailable(new Error("Connection terminated unexpectedly"))).toBe(true);
});

test("does not confuse it with a failed statement or a runner's lost wire", () => {
  expect(isDatabaseUnavailable(coded("23505"))).toBe(false);
  const lost = new WharfError(
    "runner_unavailable",
    { runner_id: "r", reason: "silent" },
    { cause: coded("ECONNRESET") },
  );
  expect(isDatabaseUnavailable(lost)).toBe(false);
  expect(isDatabaseUnavailable(new Error("a step failed", { cause: lost }))).toBe(false);
});

test("recognizes a value that no statement can store", () => {
  expect(isUnstorable(new Error("query failed", { cause: coded("22P02") }))).toBe(true);
  expect(isUnstorable(coded("54001"))).toBe(true);
  for (const code of ["23505", "57P01", "ECONNRESET"]) expect(isUnstorable(coded(code))).toBe(false);
});
