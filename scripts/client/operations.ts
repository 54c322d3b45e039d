import { z } from "zod";

const JsonObject = z.record(z.string(), z.unknown());
const Parameter = z.object({
  name: z.string(),
  in: z.string(),
  required: z.boolean(),
  schema: z.unknown(),
  description: z.string().optional(),
});
export type Parameter = z.infer<typeof Parameter>;
const Content = z.record(z.string(), z.object({ schema: z.unknown().optional() }));
const Operation = z.object({
  operationId: z.string(),
  tags: z.tuple([z.string()]),
  summary: z.string(),
  description: z.string().optional(),
  "x-permission": z.string().optional(),
  parameters: z.array(z.unknown()).default([]),
  requestBody: z.object({ required: z.boolean(), content: Content }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: Content.optional() })),
});

export interface ClientOperation {
  readonly name: string;
  readonly tag: string;
  readonly summary: string;
  readonly permission: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly params: readonly Parameter[];
  readonly query: readonly Parameter[];
  readonly headers: readonly string[];
  readonly body: { readonly isRequired: boolean; readonly type: string; readonly schema: unknown } | undefined;
  /** The content of a success; absent if it has none. */
  readonly answer: { readonly type: string; readonly schema: unknown } | undefined;
}

/** Reads the operations of an OpenAPI document, in the order of their names. */
export function readOperations(document: unknown): ClientOperation[] {
  const { paths, components } = z
    .object({
      paths: z.record(z.string(), z.record(z.string(), Operation)),
      components: z.object({ parameters: JsonObject }),
    })
    .parse(document);
  const resolve = (value: unknown): unknown => {
    const { $ref } = z.looseObject({ $ref: z.string().optional() }).parse(value);
    return $ref === undefined ? value : components.parameters[$ref.split("/").at(-1) ?? ""];
  };
  return Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]): ClientOperation => {
        const parameters = operation.parameters.map((one) => Parameter.parse(resolve(one)));
        const [body] = Object.entries(operation.requestBody?.content ?? {});
        const success = Object.entries(operation.responses).find(([status]) => status.startsWith("2"))?.[1];
        const [answer] = Object.entries(success?.content ?? {});
        return {
          name: operation.operationId,
          tag: operation.tags[0],
          summary: operation.description ?? operation.summary,
          permission: operation["x-permission"],
          method: method.toUpperCase(),
          path,
          params: parameters.filter((one) => one.in === "path"),
          query: parameters.filter((one) => one.in === "query"),
          headers: parameters.filter((one) => one.in === "header").map(({ name }) => name.toLowerCase()),
          body: body && { isRequired: operation.requestBody?.required ?? false, type: body[0], schema: body[1].schema },
          answer: answer && { type: answer[0], schema: answer[1].schema },
        };
      }),
    )
    .toSorted((a, b) => a.name.localeCompare(b.name));
}
