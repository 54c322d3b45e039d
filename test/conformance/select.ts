import { expect, test } from "vitest";
import { backends } from "./backends.ts";
import { conformance, type Third } from "./conformance.ts";

const asked = process.env["WHARF_CONFORMANCE"]?.split(",").filter(Boolean);

/**
 * Runs the suite on these backends, or on those of them that WHARF_CONFORMANCE names. Each engine
 * has its own test file, because most of the test time is spent waiting for that engine.
 */
export function runSuite(names: readonly string[], thirds?: readonly Third[]): void {
  // S-002, S-003
  test("every requested backend exists", () => {
    expect((asked ?? names).filter((name) => !backends[name])).toEqual([]);
  });

  for (const name of names) {
    const under = backends[name];
    if (under && (asked?.includes(name) ?? true)) conformance(name, under, thirds);
  }
}
