import { WharfError } from "@wharf/contract";
import type { z } from "zod";

/** Parses a value with a schema. The error names each invalid field. */
export function parseValue<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new WharfError("bad_request", { issues });
}
