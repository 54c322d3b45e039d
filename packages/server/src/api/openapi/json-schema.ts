import { z } from "zod";

/** Which way the data of a schema goes: `input` is a request, `output` is an answer. */
export type Direction = "input" | "output";

/** Converts a schema of the contract. Data of a request may leave fields with a default out. */
export function toJsonSchema(schema: z.ZodType, direction: Direction): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(schema, {
    io: direction,
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => simplify(zodSchema, jsonSchema),
  });
}

/** Changes what zod writes where a reader of the API would be misled. */
function simplify(schema: z.core.$ZodTypes, json: z.core.JSONSchema.BaseSchema): void {
  const { def } = schema._zod;
  // A later server may add fields to its answers.
  if (def.type === "object" && !def.catchall) delete json.additionalProperties;
  if (def.type === "pipe" && def.out._zod.def.type === "boolean") json.type = "boolean";
  // The limits of exact integers say nothing about a field.
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  // A format says the same as the long pattern that zod checks it with.
  if (json.format !== undefined) delete json.pattern;
  if (def.type === "default" && json.default === undefined) json.default = z.json().parse(def.defaultValue);
  delete json.id;
}
