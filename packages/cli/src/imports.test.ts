import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("no command loads the server before it needs it", () => {
  const sources = globSync("**/*.ts", { cwd: import.meta.dirname }).filter((path) => !path.endsWith(".test.ts"));
  const read = (path: string) => readFileSync(`${import.meta.dirname}/${path}`, "utf8");
  const loading = sources.filter((path) => /^(?:import|export) (?!type\b)[^;]*from "@wharf\/server"/m.test(read(path)));
  expect(sources.length).toBeGreaterThan(50);
  expect(loading).toEqual([]);
});
