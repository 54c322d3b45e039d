import {
  api,
  type Endpoint,
  getIdempotency,
  type ServerEndpoint,
  globalStreamPath,
  organizationHeader,
  Problem,
  runnerApi,
  taskStreamPath,
  taskTerminalPath,
  terminalStreamPath,
  workspaceTerminalPath,
  workspaceApi,
} from "@wharf/contract";
import type { z } from "zod";
import { ComponentSchemas, type JsonSchema } from "./component-schemas.ts";
import { describeSockets } from "./describe-sockets.ts";
import { ErrorResponses } from "./error-responses.ts";
import { toTemplate } from "./path-template.ts";
import { getTag, tags } from "./tags.ts";

const description = `The REST API of a Wharf server, which serves this document at \`/api/v1/openapi.json\`.

An error is a problem document (RFC 9457) with a \`code\`, a \`detail\` and a \`next\` step. Ids of tasks, runs and
runners may be shortened to an unambiguous prefix of eight or more characters. An answer of the type
\`application/x-ndjson\` is a stream: its schema describes each line, and empty lines keep the connection open. With
\`Accept: text/event-stream\` each line is the data of a server-sent event, where an operation lists that type.
\`x-permission\` is the permission that an
operation needs.

\`x-websockets\` lists the WebSockets, which need the same credentials. Their \`messages\` are schemas of what the server
sends and what the client may send:

- \`${toTemplate(taskStreamPath)}?after=<seq>\` sends one task's log from a cursor, then live events.
- \`${toTemplate(globalStreamPath)}\` sends the events of many tasks.
- \`${toTemplate(terminalStreamPath)}\`,
  \`${toTemplate(taskTerminalPath)}\` and
  \`${toTemplate(workspaceTerminalPath)}\` are terminals. Binary
  messages are the bytes of the output and input, and text messages are JSON. The id \`new\` starts a shell.
`;

const securitySchemes = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "An access token, the token of a login, or the owner's token.",
  },
  session: {
    type: "apiKey",
    in: "cookie",
    name: "wharf_session",
    description:
      "The login of a browser. The name ends with the port of the server, such as `wharf_session_7420`, and begins with `__Host-` over HTTPS.",
  },
};

/** A request with a token may select one of its user's organizations. */
const organizationParameter = {
  name: organizationHeader,
  in: "header",
  required: false,
  description: "One of your organizations, by id or short name, if the token is not for a single one",
  schema: { type: "string", maxLength: 100 },
};

/** Creates the OpenAPI document of the server's routes from the contract. */
export function createOpenApiDocument(): JsonSchema {
  using schemas = new ComponentSchemas();
  const errors = new ErrorResponses();
  const routes = Object.entries<ServerEndpoint>({ ...api, ...runnerApi, ...workspaceApi });
  const sorted = routes.toSorted(([, a], [, b]) => a.path.localeCompare(b.path));
  const operations = [...Map.groupBy(sorted, ([, { path }]) => toTemplate(path))].map(([path, group]) => [
    path,
    Object.fromEntries(
      group.map(([name, route]) => [route.method.toLowerCase(), describeOperation({ schemas, errors }, name, route)]),
    ),
  ]);
  const usedTags = new Set(routes.map(([, { path }]) => getTag(path)));
  const document = {
    openapi: "3.1.0",
    info: { title: "Wharf", version: "1", description, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }, { session: [] }],
    tags: Object.entries(tags)
      .filter(([name]) => usedTags.has(name))
      .map(([name, meaning]) => ({ name, description: meaning })),
    paths: Object.fromEntries(operations),
    "x-websockets": describeSockets(schemas),
  };
  schemas.convert(Problem, "output");
  const components = {
    securitySchemes,
    parameters: { organization: organizationParameter },
    responses: errors.components,
  };
  return schemas.embed(document, components);
}

/** What the operations of a document share. */
interface Components {
  readonly schemas: ComponentSchemas;
  readonly errors: ErrorResponses;
}

function describeOperation({ schemas, errors }: Components, operationId: string, route: ServerEndpoint): JsonSchema {
  const { path, summary, params, query, needs } = route;
  const [firstSentence = summary, ...rest] = summary.split(/\. (?=[A-Z`])/);
  const parameters = [
    ...describeParameters(schemas, "path", params),
    ...describeParameters(schemas, "query", query),
    ...(needs === "nothing" ? [] : [{ $ref: "#/components/parameters/organization" }]),
    ...(route.hasRanges ? rangeParameters : []),
    ...(route.hasEvents && "after" in (query?.shape ?? {})
      ? [createHeaderParameter("Last-Event-ID", "The id of the last server-sent event, which replaces `after`")]
      : []),
    ...describePreconditions(route),
    ...(getIdempotency(route) === "unsupported"
      ? []
      : [
          createHeaderParameter(
            "Idempotency-Key",
            "A value that the caller chooses: a repeated request gets the same answer",
          ),
        ]),
  ];
  return {
    operationId,
    tags: [getTag(path)],
    summary: firstSentence,
    ...(rest.length > 0 && { description: `${summary}.` }),
    ...(needs === "nothing" ? { security: [] } : needs !== "token" && { "x-permission": needs }),
    ...(parameters.length > 0 && { parameters }),
    ...describeBody(schemas, route),
    responses: { ...describeSuccess(schemas, route), ...errors.describe(route) },
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

const rangeParameters = [
  { name: "Range", in: "header", required: false, description: "One range of bytes", schema: { type: "string" } },
  { name: "If-Range", in: "header", required: false, description: "An entity tag", schema: { type: "string" } },
];

const createHeaderParameter = (name: string, meaning: string): JsonSchema => ({
  name,
  in: "header",
  required: false,
  description: meaning,
  schema: { type: "string" },
});

/** Only an answer of JSON has a tag that the server computes. */
const hasTag = ({ method, response }: ServerEndpoint): boolean => method === "GET" && typeof response === "object";

function describePreconditions(route: ServerEndpoint): JsonSchema[] {
  const { ifMatch = "unsupported" } = route;
  if (hasTag(route)) return [createHeaderParameter("If-None-Match", "The `ETag` of an answer that the caller has")];
  return ifMatch === "unsupported"
    ? []
    : [createHeaderParameter("If-Match", `The \`ETag\` of the ${ifMatch} to change`)];
}

function describeSuccess(schemas: ComponentSchemas, route: ServerEndpoint): JsonSchema {
  const { status = 200, response, hasRanges } = route;
  const content = describeContent(schemas, route);
  return {
    [status]: { description: response === "none" ? "Success without content" : "Success", ...content },
    ...(hasTag(route) && { 304: { description: "The answer is still the same" } }),
    ...(hasRanges && {
      206: { description: "The requested part", ...content },
      416: { description: "The requested part does not exist" },
    }),
  };
}

function describeContent(
  schemas: ComponentSchemas,
  {
    response,
    line,
    hasEvents,
    responseType = "application/x-ndjson",
  }: Pick<Endpoint, "response" | "line" | "responseType" | "hasEvents">,
): JsonSchema {
  if (response === "none") return {};
  if (response !== "stream")
    return { content: { "application/json": { schema: schemas.convert(response, "output") } } };
  const lines = line ? { schema: schemas.convert(line, "output") } : {};
  return { content: { [responseType]: lines, ...(hasEvents && { "text/event-stream": lines }) } };
}
