import type { Ajv2020 } from "ajv/dist/2020.js";
import { document, type JsonSchema, type Operation } from "./operations.ts";
import { createValidator } from "./validator.ts";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  /** Whether the whole answer was read: a stream may have no end. */
  readonly isWhole: boolean;
}

/** Compares answers with the OpenAPI document. */
export class AnswerCheck {
  readonly #whole = new SchemaCheck(document);
  /** A selection of fields lacks others that are required. */
  readonly #selected = new SchemaCheck(withoutRequired(document));

  /** Returns what is wrong with an answer. */
  findFault(
    { answers }: Operation,
    { status, type, text, isWhole }: Answer,
    selectsFields: boolean,
  ): string | undefined {
    if (status >= 500) return `status ${status}: ${text.slice(0, 500)}`;
    const contents = answers[status];
    if (!contents) return `status ${status} is not in the document: ${text.slice(0, 500)}`;
    const types = Object.keys(contents);
    if (types.length === 0) return text === "" ? undefined : `status ${status} has a body: ${text.slice(0, 200)}`;
    const found = types.find((one) => getMediaType(one) === getMediaType(type));
    // A caller may choose the form of a stream.
    if (found === undefined)
      return types.includes("application/x-ndjson") && status < 400
        ? undefined
        : `the type ${type} is not in the document`;
    const schema = contents[found];
    if (schema === undefined || !found.includes("json")) return undefined;
    const check = selectsFields && status < 300 ? this.#selected : this.#whole;
    if (!found.includes("ndjson")) return isWhole ? check.findFault(schema, text) : undefined;
    const lines = text.split("\n");
    // The last line may not have been read to its end. Empty lines keep a connection open.
    const wholeLines = (isWhole ? lines : lines.slice(0, -1)).filter((line) => line !== "");
    for (const line of wholeLines) {
      const fault = check.findFault(schema, line);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
}

/** Validates answers with the schemas of a document. */
class SchemaCheck {
  readonly #validator: Ajv2020;
  readonly #isSelected: boolean;
  readonly #whole = new Map<JsonSchema, JsonSchema>();

  constructor(schemas: JsonSchema) {
    this.#validator = createValidator(schemas);
    this.#isSelected = schemas !== document;
  }

  findFault(schema: JsonSchema, text: string): string | undefined {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return `the answer is not JSON: ${text.slice(0, 200)}`;
    }
    // The key of a compiled schema is its object, so that each one is compiled once.
    const validate = this.#validator.compile(this.#getWhole(schema));
    if (validate(value)) return undefined;
    return `${this.#validator.errorsText(validate.errors)}: ${text.slice(0, 500)}`;
  }

  /** References lead into the document, so the schema becomes a part of it. */
  #getWhole(schema: JsonSchema): JsonSchema {
    const existing = this.#whole.get(schema);
    if (existing) return existing;
    const whole = toAbsolute(this.#isSelected ? withoutRequired(schema) : schema);
    this.#whole.set(schema, whole);
    return whole;
  }
}

const getMediaType = (type: string): string => type.split(";")[0]?.trim().toLowerCase() ?? "";

const toAbsolute = (schema: JsonSchema): JsonSchema =>
  JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"document#/')) as JsonSchema;

/** Removes the lists of required fields; `required` of a parameter is a boolean. */
const withoutRequired = (schema: JsonSchema): JsonSchema =>
  JSON.parse(
    JSON.stringify(schema, (name, value: unknown) => (name === "required" && Array.isArray(value) ? undefined : value)),
  ) as JsonSchema;
