import { z } from "zod";

/** USD per million tokens with at most six decimals, so that it is a whole number of micro-USD. */
const usd = z
  .number()
  .min(0)
  .max(100_000)
  .refine((value) => Number(value.toFixed(6)) === value, "at most six decimals");

const rates = {
  input: usd,
  /** Without it, cached input costs as much as other input. The same applies to the next field. */
  cached: usd.optional(),
  cache_write: usd.optional(),
  /** Without it, a cache of an hour costs as much as a short one. */
  long_cache_write: usd.optional(),
  output: usd,
};

/** What the tokens of some models cost, in USD per million tokens. */
const PriceEntry = z.strictObject({
  /** Names of models; one that ends with `*` stands for all names with that beginning. */
  models: z
    .array(
      z
        .string()
        .regex(/^[^*\s]*\*?$/, "a name without spaces, with `*` only at its end")
        .min(1),
    )
    .min(1),
  api: z.enum(["gemini", "anthropic", "openai"]).optional(),
  route: z.string().min(1).optional(),
  ...rates,
  /** What all tokens of a request cost if its input is longer. */
  long_context: z.strictObject({ above_input_tokens: z.number().int().min(1), ...rates }).optional(),
});
export type PriceEntry = z.infer<typeof PriceEntry>;

/** Prices that are valid from a day on. */
const PriceVersion = z.strictObject({ from: z.iso.date(), prices: z.array(PriceEntry) });
export type PriceVersion = z.infer<typeof PriceVersion>;

/** A price file: prices with the days from which they are valid, or without days. */
export const PriceFile = z.union([
  z.strictObject({ versions: z.array(PriceVersion).min(1) }),
  z.strictObject({ prices: z.array(PriceEntry) }).transform(({ prices }) => ({
    versions: [{ from: "1970-01-01", prices }],
  })),
]);
export type PriceFile = z.infer<typeof PriceFile>;
