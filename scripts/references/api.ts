import { api, permissions, runnerApi, type ServerEndpoint, sockets, workspaceApi } from "@wharf/contract";
import { z } from "zod";
import { toJsonSchema } from "../../packages/server/src/api/openapi/json-schema.ts";
import { toTemplate } from "../../packages/server/src/api/openapi/path-template.ts";

/** A part of a JSON schema, as far as this page shows it. */
const Schema = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  default: z.unknown().optional(),
  required: z.array(z.string()).default([]),
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  maxLength: z.number().optional(),
});

/** Writes every route of the server from the contract, with its fields. */
export function formatApi(): string {
  const routes = Object.values<ServerEndpoint>({ ...api, ...runnerApi, ...workspaceApi }).toSorted((a, b) =>
    a.path.localeCompare(b.path),
  );
  const sections = Map.groupBy(routes, ({ path }) => path.split("/")[3] ?? path);
  return [
    "# API reference",
    "",
    "This page is written by `npm run references` from the contract, like the OpenAPI document",
    "[openapi.json](openapi.json), which also has the schemas of all answers. A server serves it at",
    "`/api/v1/openapi.json`, and `/api/docs` is a page to read and try it. Requests carry `Authorization: Bearer <token>`. Errors are problem documents (RFC 9457)",
    "with a `code`, a `detail` and a `next` step. A route marked *stream* sends lines of JSON, bytes of a file or a tar",
    "archive as they become available. [Requests](requests.md) explains what all routes have in common: versions, pages",
    "and filters of lists, and requests that may be repeated.",
    "",
    "## WebSocket streams",
    "",
    "[Streams](streams.md) explains them. The first three are also streams of server-sent events: the `GET` routes of",
    "the same paths.",
    "",
    ...formatSockets(),
    "",
    "## Permissions",
    "",
    "Each route names the permission that it needs. [People](people.md) explains roles and tokens.",
    "",
    "| permission | allows | role in the organization | role on the board |",
    "| --- | --- | --- | --- |",
    ...Object.entries(permissions).map(
      ([name, { summary, role, boardRole = "" }]) => `| \`${name}\` | ${summary} | ${role} | ${boardRole} |`,
    ),
    ...[...sections].flatMap(([name, group]) => ["", `## ${name}`, ...group.flatMap(formatRoute)]),
    "",
  ].join("\n");
}

const formatNeed = (needs: ServerEndpoint["needs"]): string => {
  if (needs === "nothing") return "no token";
  return needs === "token" ? "a token" : `\`${needs}\``;
};

const formatSockets = (): string[] => [
  "| stream | needs | use |",
  "| --- | --- | --- |",
  ...Object.values(sockets).map(
    ({ path, needs, summary }) => `| \`${toTemplate(path)}\` | ${formatNeed(needs)} | ${summary} |`,
  ),
];

function formatRoute({
  method,
  path,
  summary,
  params,
  query,
  body,
  status = 200,
  response,
  needs,
  ifMatch = "unsupported",
}: ServerEndpoint): string[] {
  const fields = [...listFields("path", params), ...listFields("query", query), ...listFields("body", body)];
  const table = ["| in | field | type |", "| --- | --- | --- |", ...fields];
  return [
    "",
    `### ${method} \`${toTemplate(path)}\``,
    "",
    `${summary}. Answers ${status}${response === "stream" ? ", *stream*" : ""}. Needs ${formatNeed(needs)}.`,
    ...(ifMatch === "unsupported" ? [] : ["", `\`If-Match\` names the ${ifMatch} that the caller has read.`]),
    ...(fields.length > 0 ? ["", ...table] : []),
  ];
}

function listFields(place: string, schema: z.ZodType | undefined): string[] {
  if (!schema) return [];
  const root = readSchema(toJsonSchema(schema, "input"));
  const properties = Object.entries(root.properties ?? {});
  if (properties.length === 0) return place === "path" ? [] : [`| ${place} | | ${formatType(root)} |`];
  return properties.map(([name, property]) => {
    const field = readSchema(property);
    const optional = root.required.includes(name) ? "" : formatDefault(field.default);
    return `| ${place} | \`${name}\` | ${formatType(field)}${optional} |`;
  });
}

const readSchema = (schema: unknown): z.infer<typeof Schema> => Schema.parse(schema);

const formatDefault = (value: unknown): string =>
  value === undefined ? ", optional" : `, default \`${JSON.stringify(value)}\``;

function formatType({
  type,
  format,
  enum: values,
  const: constant,
  items,
  anyOf,
  ...bounds
}: z.infer<typeof Schema>): string {
  if (constant !== undefined) return `\`${JSON.stringify(constant)}\``;
  if (values) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (anyOf) return [...new Set(anyOf.map((one) => formatType(readSchema(one))))].join(" or ");
  if (type === "array") return `list of ${formatType(readSchema(items ?? {}))}`;
  const { minimum, maximum, maxLength } = bounds;
  const range = [
    ...(minimum === undefined ? [] : [`from ${minimum}`]),
    ...(maximum === undefined ? [] : [`to ${maximum}`]),
    ...(maxLength === undefined ? [] : [`at most ${maxLength} characters`]),
  ].join(" ");
  return [format ?? [type ?? "any"].flat().join(" or "), range].filter(Boolean).join(", ");
}
