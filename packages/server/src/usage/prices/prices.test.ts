import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TokenUsage } from "../token-usage.ts";
import { getCost } from "./cost.ts";
import { type PriceEntry, PriceFile } from "./price-list.ts";
import { type PricedModel, PriceTable } from "./price-table.ts";
import { readPriceFile } from "./read-price-file.ts";

const none: TokenUsage = {
  input_tokens: 0,
  cached_tokens: 0,
  cache_write_tokens: 0,
  long_cache_write_tokens: 0,
  output_tokens: 0,
  thinking_tokens: 0,
  exact: true,
};
const sonnet: PricedModel = { route: "anthropic", api: "anthropic", model: "claude-sonnet-4-5-20250929" };
const now = new Date("2026-11-22");

describe("the cost of a request", () => {
  test("is the sum of its tokens' prices in micro-USD", () => {
    const price = new PriceTable().findPrice(sonnet, now)!;
    const usage = { ...none, input_tokens: 1_000, cached_tokens: 20_000, output_tokens: 500, thinking_tokens: 400 };
    expect(getCost(price, usage)).toBe(3_000 + 6_000 + 7_500);
    expect(getCost(price, { ...none, cache_write_tokens: 1_000, long_cache_write_tokens: 400 })).toBe(
      600 * 3.75 + 400 * 6,
    );
  });

  test("has other prices for all tokens above the limit of the input", () => {
    const price = new PriceTable().findPrice(sonnet, now)!;
    const usage = { ...none, input_tokens: 100_000, cached_tokens: 100_000, output_tokens: 10 };
    expect(getCost(price, usage)).toBe(300_000 + 30_000 + 150);
    expect(getCost(price, { ...usage, input_tokens: 100_001 })).toBe(600_006 + 60_000 + 225);
  });

  test("is a whole number, rounded up, without a loss for any count", () => {
    const price: PriceEntry = { models: ["m"], input: 0.000001, cached: 0.1, output: 0.2 };
    expect(getCost(price, none)).toBe(0);
    expect(getCost(price, { ...none, input_tokens: 1 })).toBe(1);
    expect(getCost(price, { ...none, cached_tokens: 10, output_tokens: 5 })).toBe(2);
    const count = fc.nat(1_000_000_000);
    const rate = fc.nat(100_000_000_000).map((micro) => micro / 1_000_000);
    fc.assert(
      fc.property(count, count, rate, rate, (input_tokens, output_tokens, input, output) => {
        const cost = getCost({ models: ["m"], input, output }, { ...none, input_tokens, output_tokens });
        expect(Number.isSafeInteger(cost)).toBe(true);
        const micro = (usd: number) => BigInt(Math.round(usd * 1e6));
        const exact = BigInt(input_tokens) * micro(input) + BigInt(output_tokens) * micro(output);
        const excess = BigInt(cost) * 1_000_000n - exact;
        expect(excess >= 0n && excess < 1_000_000n).toBe(true);
      }),
    );
  });
});

describe("the price of a model", () => {
  test("is found by its exact name or a beginning, and unknown otherwise", () => {
    const table = new PriceTable();
    const find = (api: PricedModel["api"], model: string) => table.findPrice({ route: api, api, model }, now)?.input;
    expect(find("anthropic", "claude-opus-4-5-20251101")).toBe(5);
    expect(find("anthropic", "claude-opus-4-20250514")).toBe(15);
    expect(find("openai", "gpt-5-2025-08-07")).toBe(1.25);
    expect(find("openai", "gpt-5-mini")).toBe(0.25);
    expect(find("gemini", "gemini-2.5-pro")).toBe(1.25);
    for (const model of ["claude-opus-4-9", "claude-opus", "gpt-5-pro", "gpt-55", "", "toString", "gpt-4o-2024-05-13"])
      expect([find("anthropic", model), find("openai", model)]).toEqual([undefined, undefined]);
    expect(find("gemini", "gpt-5")).toBeUndefined();
  });

  test("is the person's own before a published one, for one route before all", () => {
    const prices: PriceEntry[] = [
      { models: ["claude-*"], input: 1, output: 1 },
      { models: ["claude-sonnet*"], input: 2, output: 2 },
      { models: ["*"], route: "local", input: 0, output: 0 },
    ];
    const table = new PriceTable({ versions: [{ from: "1970-01-01", prices }] });
    expect(table.findPrice(sonnet, now)?.input).toBe(2);
    expect(table.findPrice({ ...sonnet, model: "claude-new" }, now)?.input).toBe(1);
    expect(table.findPrice({ ...sonnet, route: "local" }, now)?.input).toBe(0);
    expect(table.findPrice({ route: "openai", api: "openai", model: "gpt-5" }, now)?.input).toBe(1.25);
  });

  test("is the one of the newest version that is valid", () => {
    const createVersion = (from: string, input: number) => ({ from, prices: [{ models: ["m"], input, output: 0 }] });
    const versions = [createVersion("2026-05-01", 2), createVersion("2026-01-01", 1), createVersion("2026-12-01", 3)];
    const table = new PriceTable({ versions });
    const find = (day: string) => table.findPrice({ ...sonnet, model: "m" }, new Date(day))?.input;
    expect(["2025-01-01", "2026-04-30", "2026-05-01", "2026-11-30", "2027-01-01"].map(find)).toEqual([1, 1, 2, 2, 3]);
  });
});

describe("a price file", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "wharf-prices-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const read = (content: unknown) => {
    const path = join(folder, "prices.json");
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return readPriceFile(path);
  };
  const entry = { models: ["m"], input: 1, output: 2 };

  test("has prices with or without days", () => {
    expect(read({ prices: [entry] }).versions).toEqual([{ from: "1970-01-01", prices: [entry] }]);
    const versions = [{ from: "2026-01-01", prices: [entry] }];
    expect(read({ versions }).versions).toEqual(versions);
  });

  test.each([
    ["no JSON", '{\n "prices": [,] }', /prices\.json: Unexpected token ','.*\[,\]/],
    ["a negative price", { prices: [{ ...entry, input: -1 }] }, /prices\.json: prices\.0\.input: /],
    ["a price as text", { prices: [entry, { ...entry, output: "1" }] }, /prices\.1\.output: /],
    ["too fine a price", { prices: [{ ...entry, input: 0.0000001 }] }, /prices\.0\.input: at most six decimals/],
    ["an unknown field", { prices: [{ ...entry, inputs: 1 }] }, /prices\.0: .*inputs/],
    ["a star in a name", { prices: [{ ...entry, models: ["a*b"] }] }, /prices\.0\.models\.0: /],
    ["no models", { prices: [{ ...entry, models: [] }] }, /prices\.0\.models: /],
    ["no such day", { versions: [{ from: "2026-02-30", prices: [] }] }, /versions\.0\.from: /],
    ["a list", [entry], /the whole file: /],
  ])("with %s is refused with its place", (_what, content, message) => {
    expect(() => read(content)).toThrow(message);
  });
});

test("the list of prices has the person's own first, each as of the day", () => {
  const own = PriceFile.parse({
    versions: [
      { from: "2026-01-01", prices: [{ models: ["mine"], input: 1, output: 2 }] },
      { from: "2027-01-01", prices: [{ models: ["mine"], input: 3, output: 4 }] },
    ],
  });
  const [first, second] = new PriceTable(own).list(new Date("2026-06-01"));
  expect(first).toEqual({ models: ["mine"], source: "setting", input: 1, output: 2 });
  expect(second).toMatchObject({ source: "published" });
});
