import fc from "fast-check";
import { z } from "zod";
import { type JsonSchema, resolveReference } from "../api-walk/operations.ts";

/** The parts of a JSON schema that a sample needs. */
const SchemaParts = z.looseObject({
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
  minLength: z.number().default(1),
  minItems: z.number().default(0),
  minimum: z.number().default(1),
});
type SchemaParts = z.infer<typeof SchemaParts>;

const Schema = z.record(z.string(), z.unknown());
const toSchema = (value: unknown): JsonSchema => Schema.catch({}).parse(value);

/** Runners of a test are processes of this machine, and the demo agent does what a text says. */
const harmlessTexts: Readonly<Record<string, string>> = {
  command: "true",
  data: "x",
  shell: "sh",
  text: "demo: say hello",
};
/** These would start a program, so no hostile text is sent in them. */
const programFields: ReadonlySet<string> = new Set(["command", "data", "shell"]);
const maxDepth = 5;

/** A body with a text in one place. */
export interface TextBody {
  /** The names that lead to the text. */
  readonly path: readonly string[];
  readonly value: unknown;
}

/** Creates a small value that a schema accepts, with the required fields only. */
export function createSample(schema: JsonSchema | undefined, name = ""): unknown {
  const parts = parseSchema(schema);
  if (parts.const !== undefined) return parts.const;
  if (parts.enum) return parts.enum[0];
  const [branch] = parts.anyOf ?? parts.oneOf ?? [];
  if (branch !== undefined) return createSample(toSchema(branch), name);
  switch (parts.type) {
    case "object":
      return Object.fromEntries(
        parts.required.map((field) => [field, createSample(toSchema(parts.properties[field]), field)]),
      );
    case "array":
      return Array.from({ length: parts.minItems }, () => createSample(toSchema(parts.items), name));
    case "integer":
    case "number":
      return Math.max(parts.minimum, 1);
    case "boolean":
      return false;
    case "null":
      return null;
    default:
      return harmlessTexts[name] ?? createSampleText(parts);
  }
}

/** Creates a body for each place of a schema that takes text, with a text in that place. */
export function createTextBodies(schema: JsonSchema | undefined, text: string, depth = 0): TextBody[] {
  const parts = parseSchema(schema);
  if (depth > maxDepth) return [];
  const createInner = (value: unknown) => createTextBodies(toSchema(value), text, depth + 1);
  const branches = parts.anyOf ?? parts.oneOf;
  if (branches) return branches.flatMap(createInner);
  switch (parts.type) {
    case "string":
      return [{ path: [], value: text }];
    case "array":
      return createInner(parts.items).map(({ path, value }) => ({ path: ["0", ...path], value: [value] }));
    case "object":
      return createObjects(parts, schema, createInner);
    default:
      return [];
  }
}

function createObjects(
  { properties, additionalProperties }: SchemaParts,
  schema: JsonSchema | undefined,
  createInner: (value: unknown) => TextBody[],
): TextBody[] {
  const sample = toSchema(createSample(schema));
  const fields = Object.entries(properties).filter(([name]) => !programFields.has(name));
  const bodies = fields.flatMap(([name, field]) =>
    createInner(field).map(({ path, value }) => ({ path: [name, ...path], value: { ...sample, [name]: value } })),
  );
  const more = typeof additionalProperties === "object" ? createInner(additionalProperties) : [];
  return [...bodies, ...more.map(({ path, value }) => ({ path: ["key", ...path], value: { ...sample, key: value } }))];
}

function parseSchema(schema: JsonSchema | undefined): SchemaParts {
  const parts = SchemaParts.parse(schema ?? {});
  return parts.$ref === undefined ? parts : parseSchema(toSchema(resolveReference(parts.$ref)));
}

function createSampleText({ format, pattern, minLength }: SchemaParts): string {
  switch (format) {
    case "uuid":
      return "00000000-0000-4000-8000-000000000000";
    case "date-time":
      return "2026-01-01T00:00:00.000Z";
    case "email":
      return "somebody@example.com";
    case "uri":
      return "https://example.com/";
    default:
      if (pattern === undefined) return "x".repeat(Math.max(minLength, 1));
      return fc.sample(fc.stringMatching(new RegExp(pattern)), { seed: 1, numRuns: 1 })[0] ?? "";
  }
}
