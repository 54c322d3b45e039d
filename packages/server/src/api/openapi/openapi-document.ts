import {
  api,
  type Endpoint,
  type ServerEndpoint,
  globalStreamPath,
  Problem,
  runnerApi,
  StreamControl,
  Subscribe,
  taskStreamPath,
  TerminalControl,
  TerminalRequest,
  terminalStreamPath,
  workspaceApi,
} from "@wharf/contract";
import type { z } from "zod";
import { ComponentSchemas, type JsonSchema } from "./component-schemas.ts";
import { toTemplate } from "./path-template.ts";

const description = `The REST API of a Wharf server. A server serves it at
\`/api/v1/openapi.json\`.

An error is a problem document (RFC 9457) with a \`code\`, a \`detail\` and a \`next\` step. Ids of tasks, runs and
runners may be shortened to an unambiguous prefix of eight or more characters. An answer of the type
\`application/x-ndjson\` is a stream: its schema describes each line.

WebSockets, which need the same token:

- \`${toTemplate(taskStreamPath)}?after=<seq>\` sends one task's log from a cursor, then live events. Each message is an
  \`Event\`. The client may send \`StreamControl\`.
- \`${toTemplate(globalStreamPath)}\` sends the events of many tasks. The client sends \`Subscribe\`.
- \`${toTemplate(terminalStreamPath)}\` is a terminal. Binary messages are the bytes of its output and input. Text messages
  are \`TerminalControl\` from the server and \`TerminalRequest\` from the client. The id \`new\` starts a shell.
`;

/** Creates the OpenAPI document of the server's routes from the contract. */
export function createOpenApiDocument(): JsonSchema {
  using schemas = new ComponentSchemas();
  const routes = Object.entries<ServerEndpoint>({ ...api, ...runnerApi, ...workspaceApi });
  const sorted = routes.toSorted(([, a], [, b]) => a.path.localeCompare(b.path));
  const operations = [...Map.groupBy(sorted, ([, { path }]) => toTemplate(path))].map(([path, group]) => [
    path,
    Object.fromEntries(
      group.map(([name, route]) => [route.method.toLowerCase(), describeOperation(schemas, name, route)]),
    ),
  ]);
  for (const message of [StreamControl, Subscribe, TerminalRequest]) schemas.convert(message, "input");
  schemas.convert(TerminalControl, "output");
  const document = {
    openapi: "3.1.0",
    info: { title: "Wharf", version: "1", description, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }],
    paths: Object.fromEntries(operations),
  };
  const problem = {
    description: "An error",
    content: { "application/problem+json": { schema: schemas.convert(Problem, "output") } },
  };
  const components = {
    securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    responses: { Problem: problem },
  };
  return schemas.embed(document, components);
}

function describeOperation(schemas: ComponentSchemas, operationId: string, route: ServerEndpoint): JsonSchema {
  const { path, summary, params, query, needs } = route;
  const [firstSentence = summary, ...rest] = summary.split(/\. (?=[A-Z`])/);
  const parameters = [...describeParameters(schemas, "path", params), ...describeParameters(schemas, "query", query)];
  return {
    operationId,
    tags: [path.split("/")[3] ?? "health"],
    summary: firstSentence,
    ...(rest.length > 0 && { description: `${summary}.` }),
    ...(needs === "nothing" ? { security: [] } : needs !== "token" && { "x-permission": needs }),
    ...(parameters.length > 0 && { parameters }),
    ...describeBody(schemas, route),
    responses: describeResponses(schemas, route),
  };
}

function describeParameters(schemas: ComponentSchemas, place: "path" | "query", object?: z.ZodObject): JsonSchema[] {
  return Object.entries<z.ZodType>(object?.shape ?? {}).map(([name, field]) => {
    const { description: meaning, ...schema } = schemas.convert(field, "input");
    return {
      name,
      in: place,
      required: !field.safeParse(undefined).success,
      ...(meaning !== undefined && { description: meaning }),
      schema,
    };
  });
}

function describeBody(schemas: ComponentSchemas, { body, bodyType }: Endpoint): JsonSchema {
  if (bodyType !== undefined) return { requestBody: { required: true, content: { [bodyType]: {} } } };
  if (!body) return {};
  const content = { "application/json": { schema: schemas.convert(body, "input") } };
  return { requestBody: { required: !body.safeParse(undefined).success, content } };
}

function describeResponses(schemas: ComponentSchemas, { status = 200, ...route }: Endpoint): JsonSchema {
  const content = describeContent(schemas, route);
  return {
    [status]: { description: route.response === "none" ? "Success without content" : "Success", ...content },
    default: { $ref: "#/components/responses/Problem" },
  };
}

function describeContent(
  schemas: ComponentSchemas,
  { response, line, responseType = "application/x-ndjson" }: Pick<Endpoint, "response" | "line" | "responseType">,
): JsonSchema {
  if (response === "none") return {};
  if (response !== "stream")
    return { content: { "application/json": { schema: schemas.convert(response, "output") } } };
  return { content: { [responseType]: line ? { schema: schemas.convert(line, "output") } : {} } };
}
