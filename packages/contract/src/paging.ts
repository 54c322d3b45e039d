import { z } from "zod";

/** What a list is asked with. A cursor leads to any page in the same time; an offset counts from the beginning. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(500).optional().describe("`next_cursor` of the page before"),
};
export const offsetQuery = {
  offset: z.coerce.number().int().min(0).max(10_000).default(0).describe("for what lies further on use `cursor`"),
};

/** A page is also full when it holds 1 MiB: it may have fewer rows than were asked for. */
export const pageEnd = {
  next_cursor: z.string().optional().describe("leads to the page after this one; absent on the last"),
};
/** Counting stops somewhere: `total_capped` says that there are more than `total`. */
export const pageTotal = { total: z.number(), total_capped: z.literal(true).optional() };
