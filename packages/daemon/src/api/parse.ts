import { createInvalidRequestError } from "@wharf/contract";
import type { z } from "zod";

/** Parses a value with a schema. The error names each invalid field. */
export function parseValue<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw createInvalidRequestError(result.error);
}
