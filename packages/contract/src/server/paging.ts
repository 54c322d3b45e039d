import { z } from "zod";

/**
 * The query of a list. A cursor reaches any page in constant time; an offset counts from the
 * beginning.
 */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(2_000).optional().describe("`next_cursor` of the previous page"),
};
export const offsetQuery = {
  offset: z.coerce.number().int().min(0).max(10_000).default(0).describe("use `cursor` to go further"),
};

/** A page is also full at 1 MiB, so it may have fewer rows than the limit. */
export const pageEnd = {
  next_cursor: z.string().optional().describe("the `cursor` of the next page; absent on the last page"),
};
/** The count has an upper limit: `total_capped` means that there are more rows than `total`. */
export const pageTotal = { total: z.number(), total_capped: z.literal(true).optional() };

/** A list that can be read by cursor or by offset. */
export const rowsQuery = { ...pageQuery, ...offsetQuery };

/** A list that can be read by cursor or by offset, with its total. */
export const listQuery = { ...pageQuery, ...offsetQuery };
export const listEnd = { ...pageTotal, ...pageEnd };

/**
 * A filter that accepts one value or several. In an address the field is repeated, such as
 * `state=TODO&state=REVIEW`.
 */
export const oneOrMore = <T extends z.ZodType>(schema: T) =>
  z.union([schema, z.array(schema).min(1).max(100)]).optional();

/** Returns the values of such a filter. */
export const toList = <T>(values: T | readonly T[] | undefined): readonly T[] | undefined =>
  values === undefined || Array.isArray(values) ? (values as readonly T[] | undefined) : [values as T];

/**
 * Selects fields of the answer, or of the rows of a list. The answer then lacks fields that its
 * schema requires.
 */
export function createFieldsQuery({ shape }: z.ZodObject) {
  const name = `(?:${Object.keys(shape).join("|")})`;
  return {
    fields: z
      .string()
      .max(1_000)
      .regex(new RegExp(`^${name}(?:,${name})*$`), "names of fields, separated by commas")
      .optional()
      .describe("the fields of the answer or of a list's rows, such as `id,title`; all by default"),
  };
}
