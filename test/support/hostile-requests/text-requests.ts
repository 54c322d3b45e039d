import type { Operation, Parameter } from "../api-walk/operations.ts";
import type { PlannedBody, PlannedRequest } from "../api-walk/requests.ts";
import { createSample, createTextBodies } from "./sample-values.ts";

/** A request with a text in one place. */
export interface TextRequest {
  readonly planned: PlannedRequest;
  /** The place, such as `query limit` or `body metadata.key`. */
  readonly place: string;
  /** The field of the body that has the text, if it is directly in the body. */
  readonly field?: string;
}

/** Creates a request of the server's owner that the schema of an operation accepts. */
export function createValidRequest(operation: Operation): PlannedRequest {
  const named = (place: Parameter["in"]) => operation.parameters.filter((parameter) => parameter.in === place);
  return {
    operation,
    person: 0,
    params: Object.fromEntries(named("path").map(({ name }) => [name, { known: 0 }])),
    query: named("query")
      .filter(({ required }) => required)
      .map(({ name, schema }) => [name, String(createSample(schema, name))] as const),
    body: createBody(operation),
    contentType: operation.body?.type,
    headers: {},
  };
}

/** Creates a request for each place of an operation that takes text. */
export function createTextRequests(
  operation: Operation,
  { parameter: text, field: fieldText }: { readonly parameter: string; readonly field: string },
): TextRequest[] {
  const valid = createValidRequest(operation);
  const inParameters = operation.parameters.map(({ name, in: place }): TextRequest => {
    const named = `${place} ${name}`;
    if (place === "path") return { place: named, planned: { ...valid, params: { ...valid.params, [name]: text } } };
    if (place === "header") return { place: named, planned: { ...valid, headers: { [name]: toHeaderText(text) } } };
    const query = [...valid.query.filter(([other]) => other !== name), [name, text] as const];
    return { place: named, planned: { ...valid, query } };
  });
  const inBody = createTextBodies(operation.body?.schema, fieldText).map(({ path, value }): TextRequest => {
    const [field = "", ...deeper] = path;
    return {
      place: `body ${path.join(".")}`,
      planned: { ...valid, body: { kind: "json", value, encoding: "utf8" } },
      ...(deeper.length === 0 && { field }),
    };
  });
  return [...inParameters, ...inBody];
}

/** Creates the request that reads what another one stored, if the contract has one. */
export function createReadingRequest(
  operations: readonly Operation[],
  { operation: { method, path }, params }: PlannedRequest,
  id: unknown,
): PlannedRequest | undefined {
  const isCreated = method === "POST";
  const pattern = isCreated ? new RegExp(`^/api/v1/${path.split("/").at(-1)}/\\{(\\w+)\\}$`) : undefined;
  const reader = operations.find((one) => one.method === "GET" && (pattern?.test(one.path) ?? one.path === path));
  if (!reader) return undefined;
  const name = pattern?.exec(reader.path)?.[1];
  return { ...createValidRequest(reader), params: name === undefined ? params : { [name]: String(id) } };
}

function createBody({ body }: Operation): PlannedBody {
  if (!body) return { kind: "none" };
  if (body.schema === undefined) return { kind: "text", text: "content" };
  return { kind: "json", value: createSample(body.schema), encoding: "utf8" };
}

/** Headers are bytes, and Node refuses others than these. */
const toHeaderText = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?");
