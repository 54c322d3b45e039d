import fc from "fast-check";
import { z } from "zod";
import { type JsonSchema, resolveReference } from "./operations.ts";

/** The parts of a JSON schema that decide which values it accepts. */
const Schema = z.looseObject({
  $ref: z.string().optional(),
  type: z.string().optional(),
  format: z.string().optional(),
  pattern: z.string().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  items: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).default({}),
  required: z.array(z.string()).default([]),
  additionalProperties: z.unknown().optional(),
  minLength: z.number().default(0),
  maxLength: z.number().optional(),
  minItems: z.number().default(0),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
});
type Schema = z.infer<typeof Schema>;

const maxDepth = 6;
const maxTextLength = 60;
const maxListLength = 3;

/**
 * Programs that a walk may start: the runners of a test are processes of this machine, so that
 * random text must never be a command.
 */
const harmlessFields: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  command: fc.constantFrom("true", "echo hello", "exit 3"),
  data: fc.constantFrom("", "x"),
  shell: fc.constantFrom("sh", "no-such-shell"),
  timeout_s: fc.constantFrom(1, 5),
  // The demo agent does what a description says.
  text: fc.constantFrom("demo: say hello", "hello"),
};

/** What breaks programs that trust their input. */
export const hostileValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    "' or 1=1 --",
    "'; drop table tasks; --",
    "%' union select token from access_tokens --",
    "\\'; select pg_sleep(5); --",
    "\0",
    "a\0b",
    "\uD800",
    "\u202E\uFEFF",
    "../../../../etc/passwd",
    "/etc/passwd",
    "${jndi:ldap://localhost/x}",
    "<script>alert(1)</script>",
    "=1+1",
    "__proto__",
    "constructor",
    "x".repeat(300_000),
    "ä".repeat(5_000),
    "",
    " ",
    "NaN",
    "1e400",
    "9".repeat(400),
    "2026-99-99T99:99:99Z",
    "0001-01-01T00:00:00Z",
    "275760-09-13T00:00:00.001Z",
    "+275760-09-13T00:00:00.000Z",
  ),
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    0,
    0.1,
    1e308,
    -1e308,
    2 ** 31,
    2 ** 53,
    2 ** 63,
    [],
    {},
    [null],
    JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":{"b":2}}}'),
    JSON.parse("[".repeat(500) + "]".repeat(500)),
    JSON.parse('{"a":'.repeat(100) + "1" + "}".repeat(100)),
  ),
  fc.jsonValue(),
);

/** Generates values that a schema accepts, as far as its parts describe them. */
export function createValues(schema: JsonSchema | undefined, depth = 0): fc.Arbitrary<unknown> {
  if (schema === undefined || depth > maxDepth) return fc.constantFrom<unknown>("x", 1, null);
  const parsed = Schema.parse(schema);
  if (parsed.$ref !== undefined) return createValues(toSchema(resolveReference(parsed.$ref)), depth);
  if (parsed.const !== undefined) return fc.constant(parsed.const);
  if (parsed.enum) return fc.constantFrom(...parsed.enum);
  const branches = parsed.anyOf ?? parsed.oneOf;
  if (branches) return fc.oneof(...branches.map((one) => createValues(toSchema(one), depth + 1)));
  return createTypedValues(parsed, depth);
}

const toSchema = (value: unknown): JsonSchema => z.record(z.string(), z.unknown()).catch({}).parse(value);

function createTypedValues(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  switch (schema.type) {
    case "object":
      return createObjects(schema, depth);
    case "array":
      return fc.array(createValues(toSchema(schema.items), depth + 1), {
        minLength: Math.min(schema.minItems, maxListLength),
        maxLength: maxListLength,
      });
    case "integer":
      return fc.integer({
        min: Math.max(schema.minimum ?? -100, -(2 ** 31)),
        max: Math.min(schema.maximum ?? 10_000, 2 ** 31 - 1),
      });
    case "number":
      return fc.double({ min: schema.minimum ?? -100, max: schema.maximum ?? 10_000, noNaN: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "string":
      return createTexts(schema);
    default:
      return fc.jsonValue();
  }
}

function createObjects({ properties, required, additionalProperties }: Schema, depth: number): fc.Arbitrary<unknown> {
  const names = Object.keys(properties);
  if (names.length === 0)
    return fc.dictionary(fc.string({ maxLength: 10 }), createValues(toSchema(additionalProperties), depth + 1), {
      maxKeys: 3,
    });
  const fields = Object.fromEntries(
    names.map((name) => [name, harmlessFields[name] ?? createValues(toSchema(properties[name]), depth + 1)]),
  );
  return fc.record(fields, { requiredKeys: required.filter((name) => names.includes(name)) });
}

function createTexts({ format, pattern, minLength, maxLength = maxTextLength }: Schema): fc.Arbitrary<unknown> {
  if (format === "uuid") return fc.uuid();
  if (format === "date-time") return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
  if (format === "email") return fc.emailAddress();
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern)).map((text) => text.slice(0, maxLength));
  const lengths = { minLength: Math.min(minLength, maxTextLength), maxLength: Math.min(maxLength, maxTextLength) };
  return fc.oneof(fc.string(lengths), fc.string({ ...lengths, unit: "binary" }));
}
