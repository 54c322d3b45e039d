import { type ErrorCode, errorCatalogue, listErrors, type ServerEndpoint } from "@wharf/contract";
import type { JsonSchema } from "./component-schemas.ts";

/** A name with more codes is too long to read. */
const maxNamedCodes = 3;

/**
 * The answers with errors. Routes that answer a status with the same codes share one component,
 * because the document would otherwise be twice as large.
 */
export class ErrorResponses {
  readonly #names = new Map<string, string>();
  readonly #components = new Map<string, JsonSchema>();

  /** Describes the errors of a route: for each status the codes that come with it. */
  describe(route: ServerEndpoint): Record<string, JsonSchema> {
    const byStatus = Map.groupBy(listErrors(route), (code) => errorCatalogue[code].http);
    return Object.fromEntries(
      [...byStatus]
        .toSorted(([a], [b]) => a - b)
        .map(([status, codes]) => [status, { $ref: `#/components/responses/${this.#getName(codes)}` }]),
    );
  }

  /** The components of all routes that were described. */
  get components(): Record<string, JsonSchema> {
    return Object.fromEntries([...this.#components].toSorted(([a], [b]) => a.localeCompare(b)));
  }

  #getName(codes: readonly ErrorCode[]): string {
    const key = codes.join();
    const existingName = this.#names.get(key);
    if (existingName !== undefined) return existingName;
    const name = this.#createName(codes);
    this.#names.set(key, name);
    this.#components.set(name, describeCodes(codes));
    return name;
  }

  #createName(codes: readonly ErrorCode[]): string {
    if (codes.length <= maxNamedCodes) return codes.join("-or-");
    const base = `${codes[0]}-or-${codes.length - 1}-others`;
    let name = base;
    for (let n = 2; this.#components.has(name); n++) name = `${base}-${n}`;
    return name;
  }
}

const describeCodes = (codes: readonly ErrorCode[]): JsonSchema => ({
  description: codes.map((code) => `\`${code}\``).join(", "),
  content: {
    "application/problem+json": {
      schema: {
        $ref: "#/components/schemas/Problem",
        properties: { code: codes.length === 1 ? { const: codes[0] } : { enum: codes } },
      },
    },
  },
});
