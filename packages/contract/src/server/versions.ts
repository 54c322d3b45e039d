import { z } from "zod";

/** The number of a row's changes, which the row's `ETag` begins with. */
export const Version = z
  .number()
  .int()
  .describe("grows with each change. As `If-Match` it prevents overwriting others' changes");

/**
 * Formats what `If-Match` accepts for the version that a caller has read: a change of a newer one
 * is refused.
 */
export const formatVersionTag = (version: number): string => `"${version}"`;
