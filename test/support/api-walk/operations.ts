import { z } from "zod";
import { createOpenApiDocument } from "../../../packages/server/src/api/openapi/openapi-document.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;
const Schema = z.record(z.string(), z.unknown());

const Reference = z.object({ $ref: z.string() });
const Parameter = z.object({
  name: z.string(),
  in: z.enum(["path", "query", "header"]),
  required: z.boolean(),
  schema: Schema,
});
export type Parameter = z.infer<typeof Parameter>;
const Content = z.record(z.string(), z.object({ schema: Schema.optional() }));
const Answer = z.object({ content: Content.default({}) });
const Operation = z.object({
  operationId: z.string(),
  security: z.array(z.unknown()).optional(),
  parameters: z.array(z.unknown()).default([]),
  requestBody: z.object({ content: Content }).optional(),
  responses: z.record(z.string(), z.unknown()),
});

/** An operation of the document, with its references resolved one level deep. */
export interface Operation {
  readonly name: string;
  readonly method: string;
  /** A path with `{name}` for parameters. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** The content type and the schema of its body. */
  readonly body?: { readonly type: string; readonly schema: JsonSchema | undefined };
  /** The content of each status, by type. */
  readonly answers: Readonly<Record<string, Readonly<Record<string, JsonSchema | undefined>>>>;
}

export const document = createOpenApiDocument();
const Paths = z.object({ paths: z.record(z.string(), z.record(z.string(), Operation)) });

/** Follows a pointer such as `#/components/schemas/Task`. */
export function resolveReference(pointer: string): unknown {
  let value: unknown = document;
  for (const part of pointer.slice(2).split("/")) value = Schema.parse(value)[part];
  return value;
}

const resolve = (value: unknown): unknown => {
  const reference = Reference.safeParse(value);
  return reference.success ? resolveReference(reference.data.$ref) : value;
};

/** Lists the operations of the OpenAPI document. */
export function listOperations(): Operation[] {
  return Object.entries(Paths.parse(document).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, parameters, requestBody, responses }]) => {
      const [body] = Object.entries(requestBody?.content ?? {});
      return {
        name: operationId,
        method: method.toUpperCase(),
        path,
        parameters: parameters.map((one) => Parameter.parse(resolve(one))),
        ...(body && { body: { type: body[0], schema: body[1].schema } }),
        answers: Object.fromEntries(
          Object.entries(responses).map(([status, answer]) => [
            status,
            Object.fromEntries(
              Object.entries(Answer.parse(resolve(answer)).content).map(([type, { schema }]) => [type, schema]),
            ),
          ]),
        ),
      };
    }),
  );
}
