import * as contract from "@wharf/contract";
import { z } from "zod";
import { type Direction, toJsonSchema } from "./json-schema.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

const reference = /"#\/\$defs\/(\w+)"/g;
const directedReference = /"#\/\$defs\/(\w+)@(input|output)"/g;

/**
 * Converts the contract's schemas to JSON schemas and collects the exported ones under their names.
 * A schema with defaults has two forms, because requests may leave those fields out. If a document
 * uses both forms, the one of requests gets the suffix `Input`.
 */
export class ComponentSchemas {
  readonly #named = listNamedSchemas();
  readonly #used: Record<Direction, Map<string, JsonSchema>> = { input: new Map(), output: new Map() };

  constructor() {
    for (const [name, schema] of this.#named) z.globalRegistry.add(schema, { ...schema.meta(), id: name });
  }

  /** Takes the names away again: other converters would write references too. */
  [Symbol.dispose](): void {
    for (const schema of this.#named.values()) {
      const { id: _name, ...meta } = schema.meta() ?? {};
      z.globalRegistry.remove(schema).add(schema, meta);
    }
  }

  /** Converts a schema. Named schemas become references, which `embed` resolves. */
  convert(schema: z.ZodType, direction: Direction): JsonSchema {
    // Only the schemas inside another one become references.
    const { $defs = {}, properties = {} } = toJsonSchema(z.object({ schema }), direction);
    for (const [name, definition] of Object.entries($defs))
      this.#used[direction].set(name, addDirection(definition, direction));
    return addDirection(properties["schema"], direction);
  }

  /** Converts a named schema to its own text, in which other named schemas are references. */
  convertInPlace(schema: z.ZodType, direction: Direction): JsonSchema {
    const converted = this.convert(schema, direction);
    const name = String(converted["$ref"]).replace(/^.*\/(\w+)@\w+$/, "$1");
    const definition = this.#used[direction].get(name);
    this.#used[direction].delete(name);
    return definition ?? converted;
  }

  /** Adds the collected schemas to a document, and resolves all references in it. */
  embed(document: JsonSchema, components: JsonSchema): JsonSchema {
    const { input, output } = this.#used;
    const differing = new Set([...input.keys()].filter((name) => output.has(name) && this.#hasTwoForms(name)));
    const getName = (name: string, direction: string) =>
      direction === "input" && differing.has(name) ? `${name}Input` : name;
    const schemas = (["input", "output"] as const)
      .flatMap((direction) =>
        [...this.#used[direction]].map(([name, schema]) => [getName(name, direction), schema] as const),
      )
      .toSorted(([a], [b]) => a.localeCompare(b));
    const whole = { ...document, components: { ...components, schemas: Object.fromEntries(schemas) } };
    const text = JSON.stringify(whole).replace(
      directedReference,
      (_, name: string, direction: string) => `"#/components/schemas/${getName(name, direction)}"`,
    );
    return parseSchema(text);
  }

  #hasTwoForms(name: string): boolean {
    const schema = this.#named.get(name);
    if (!schema) throw new Error(`No schema has the name ${name}.`);
    return JSON.stringify(toJsonSchema(schema, "input")) !== JSON.stringify(toJsonSchema(schema, "output"));
  }
}

function listNamedSchemas(): Map<string, z.ZodType> {
  const { eventKinds, ...exported } = contract;
  const names = new Map<z.ZodType, string>();
  // A text with a limit is easier to read in its place.
  for (const [name, value] of Object.entries(exported))
    if (value instanceof z.ZodType && !(value instanceof z.ZodString)) names.set(value, name);
  for (const [kind, schema] of Object.entries(eventKinds))
    if (!names.has(schema)) names.set(schema, `${toPascalCase(kind)}EventData`);
  return new Map([...names].map(([schema, name]) => [name, schema]));
}

const toPascalCase = (name: string): string =>
  name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());

const addDirection = (schema: unknown, direction: Direction): JsonSchema =>
  parseSchema(JSON.stringify(schema).replace(reference, (_, name: string) => `"#/$defs/${name}@${direction}"`));

const parseSchema = (text: string): JsonSchema => z.record(z.string(), z.unknown()).parse(JSON.parse(text));
