import fc from "fast-check";
import { expect, test } from "vitest";
import { isAllowedModel, matchesPattern } from "./model-patterns.ts";

const escapePattern = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);

test("a star stands for any characters, and every other character for itself", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", ".", "-", "*"), maxLength: 8 });
  const names = fc.string({ unit: fc.constantFrom("a", "b", ".", "-"), maxLength: 12 });
  fc.assert(
    fc.property(letters, names, (pattern, name) => {
      const expression = new RegExp(`^${pattern.split("*").map(escapePattern).join(".*")}$`, "s");
      expect(matchesPattern(pattern, name)).toBe(expression.test(name));
    }),
    { numRuns: 5_000 },
  );
});

test("a list allows what one of its patterns matches, and without a list every model is allowed", () => {
  expect(isAllowedModel(["gpt-5", "claude-*"], "claude-opus-4")).toBe(true);
  expect(isAllowedModel(["gpt-5", "claude-*"], "gpt-5-pro")).toBe(false);
  expect(isAllowedModel(["*"], undefined)).toBe(false);
  expect(isAllowedModel(undefined, undefined)).toBe(true);
});
