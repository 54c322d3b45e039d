import { z } from "zod";

/** The parts of a JSON schema that a type shows. */
const Schema = z.looseObject({
  $ref: z.string().optional(),
  type: z.string().optional(),
  description: z.string().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  allOf: z.array(z.unknown()).optional(),
  items: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).default([]),
  additionalProperties: z.unknown().optional(),
});
type Schema = z.infer<typeof Schema>;

const literals: Readonly<Record<string, string>> = {
  string: "string",
  integer: "number",
  number: "number",
  boolean: "boolean",
  null: "null",
};

/** Formats a schema as a type. Schemas of the document are named types, which `refer` writes. */
export function formatType(value: unknown, refer: (name: string) => string): string {
  const schema = Schema.catch({ required: [] }).parse(value);
  const format = (part: unknown) => formatType(part, refer);
  if (schema.$ref !== undefined) return refer(schema.$ref.split("/").at(-1) ?? "");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches) return `(${[...new Set(branches.map(format))].join(" | ")})`;
  if (schema.allOf) return `(${schema.allOf.map(format).join(" & ")})`;
  if (schema.type === "array") return `readonly (${format(schema.items)})[]`;
  if (schema.type === "object") return formatObject(schema, refer);
  return literals[schema.type ?? ""] ?? "unknown";
}

function formatObject({ properties, required, additionalProperties }: Schema, refer: (name: string) => string): string {
  if (!properties) {
    const isOpen = typeof additionalProperties === "object" && Object.keys(additionalProperties ?? {}).length > 0;
    return `Readonly<Record<string, ${isOpen ? formatType(additionalProperties, refer) : "unknown"}>>`;
  }
  const fields = Object.entries(properties).map(([name, property]) => {
    const { description } = Schema.catch({ required: [] }).parse(property);
    const comment = description === undefined ? "" : `/** ${escapeComment(description)} */\n`;
    const key = /^[a-zA-Z_]\w*$/.test(name) ? name : JSON.stringify(name);
    return `${comment}readonly ${key}${required.includes(name) ? "" : "?"}: ${formatType(property, refer)};`;
  });
  return `{\n${fields.join("\n")}\n}`;
}

/** Formats the declaration of a named schema. */
export function formatDeclaration(name: string, schema: unknown): string {
  const { description, type, properties } = Schema.catch({ required: [] }).parse(schema);
  const comment = description === undefined ? "" : `/** ${escapeComment(description)} */\n`;
  const text = formatType(schema, (one) => one);
  return type === "object" && properties
    ? `${comment}export interface ${name} ${text}\n`
    : `${comment}export type ${name} = ${text};\n`;
}

export const escapeComment = (text: string): string => text.replaceAll("*/", "*\\/").replaceAll(/\s+/g, " ");
