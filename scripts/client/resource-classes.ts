import { z } from "zod";
import { type ClientOperation, type Parameter } from "./operations.ts";
import { escapeComment, formatType } from "./schema-types.ts";

/** The part of a path that the constructor of a workspace knows. */
const workspacePath = /^\/api\/v1\/tasks\/\{task_id\}\/workspace/;
const runnerWorkspacePath = /^\/api\/v1\/runners\/\{runner_id\}\/workspace/;

/** Formats the classes with the methods of the client: one for each tag, and one for workspaces. */
export function formatResources(operations: readonly ClientOperation[]): string {
  const own = operations.filter(({ path }) => !workspacePath.test(path) && !runnerWorkspacePath.test(path));
  const workspace = operations.filter(({ path }) => workspacePath.test(path));
  const byTag = [...Map.groupBy(own, ({ tag }) => tag)].toSorted(([a], [b]) => a.localeCompare(b));
  const classes = byTag.map(([tag, group]) => formatClass(`${toPascalCase(tag)}Api`, group));
  const properties = byTag.map(([tag]) => `readonly ${toCamelCase(tag)}: ${toPascalCase(tag)}Api;`);
  const values = byTag.map(([tag]) => `this.${toCamelCase(tag)} = new ${toPascalCase(tag)}Api(this.#http);`);
  return `import { type Call, type CallOptions, HttpClient, type WharfOptions } from "../http-client.ts";
import type * as schemas from "./schemas.ts";

type Body = NonNullable<RequestInit["body"]>;

/**
 * A client of one server. Every method returns the answer of an operation, or throws a
 * \`WharfError\` with the code of the server's error.
 */
export class Wharf {
  readonly #http: HttpClient;
  ${properties.join("\n")}

  constructor(options: WharfOptions) {
    this.#http = new HttpClient(options);
    ${values.join("\n")}
  }

  /** The workspace of a task: of the runner of its current run. */
  taskWorkspace(taskId: string): Workspace {
    return new Workspace(this.#http, \`/api/v1/tasks/\${encodeURIComponent(taskId)}/workspace\`);
  }

  /** The workspace of a runner. */
  runnerWorkspace(runnerId: string): Workspace {
    return new Workspace(this.#http, \`/api/v1/runners/\${encodeURIComponent(runnerId)}/workspace\`);
  }

  /** Sends a request to an operation that this version of the client does not know. */
  request(call: Call): Promise<Response> {
    return this.#http.raw(call);
  }
}

${classes.join("\n")}
/** Files, git, commands and terminals in a runner. Paths are relative to the workspace. */
export class Workspace {
  readonly #http: HttpClient;
  readonly #path: string;

  constructor(http: HttpClient, path: string) {
    this.#http = http;
    this.#path = path;
  }

  ${workspace.map((operation) => formatMethod(toWorkspaceOperation(operation))).join("\n\n")}
}
`;
}

const formatClass = (name: string, operations: readonly ClientOperation[]): string => `export class ${name} {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  ${operations.map(formatMethod).join("\n\n")}
}
`;

function toWorkspaceOperation(operation: ClientOperation): ClientOperation {
  const name = operation.name.replace(/^task/, "");
  return {
    ...operation,
    name: `${name.charAt(0).toLowerCase()}${name.slice(1)}`,
    params: operation.params.filter((param) => param.name !== "task_id"),
    path: operation.path.replace(workspacePath, "{workspace}"),
  };
}

function formatMethod(operation: ClientOperation): string {
  const { name, summary, permission, params, query, body } = operation;
  const { result, method, text } = describeAnswer(operation);
  const bodyType = body?.type === "application/json" ? "json" : "bytes";
  const inputs = [
    ...params.map((param) => ({ text: `${toCamelCase(param.name)}: string`, isRequired: true })),
    ...(body && bodyType === "json" ? [formatBodyInput(body)] : []),
    ...(query.length > 0 ? [formatQuery(query)] : []),
    // What bytes are for is easier to read before them.
    ...(body && bodyType === "bytes" ? [formatBodyInput(body)] : []),
    { text: "options?: CallOptions", isRequired: false },
  ].toSorted((a, b) => Number(b.isRequired) - Number(a.isRequired));
  const comment = `/** ${escapeComment(summary)}${summary.endsWith(".") ? "" : "."}${permission === undefined ? "" : ` Needs \`${permission}\`.`}${text} */`;
  return `${comment}
  ${name}(${inputs.map((input) => input.text).join(", ")}): ${result} {
    return this.#http.${method}({ ${formatCall(operation)} });
  }${formatIterator(operation)}`;
}

const formatCall = ({ method, path, query, body, headers }: ClientOperation): string =>
  [
    `method: "${method}"`,
    `path: ${formatPath(path)}`,
    ...(query.length > 0 ? ["query"] : []),
    ...formatCallBody(body),
    ...(headers.includes("idempotency-key") ? ["hasKey: true"] : []),
    "options",
  ].join(", ");

const formatBody = ({ type, schema }: NonNullable<ClientOperation["body"]>): string =>
  type === "application/json" ? formatType(schema, refer) : "Body";

const formatBodyInput = (body: NonNullable<ClientOperation["body"]>) => ({
  text: `body${body.isRequired ? "" : "?"}: ${formatBody(body)}`,
  isRequired: body.isRequired,
});

/** An operation with a body gets one, even if all of its fields are optional and missing. */
function formatCallBody(body: ClientOperation["body"]): string[] {
  if (!body) return [];
  if (body.type !== "application/json") return ["body", `bodyType: "${body.type}"`];
  return [body.isRequired ? "body" : "body: body ?? {}"];
}

function formatQuery(query: readonly Parameter[]): { text: string; isRequired: boolean } {
  const isRequired = query.some((one) => one.required);
  const fields = query.map(({ name, required, schema, description }) => {
    const comment = description === undefined ? "" : `/** ${escapeComment(description)} */ `;
    return `${comment}readonly ${name}${required ? "" : "?"}: ${formatType(schema, refer)};`;
  });
  return { text: `query${isRequired ? "" : "?"}: {\n${fields.join("\n")}\n}`, isRequired };
}

function describeAnswer({ answer }: ClientOperation): { result: string; method: string; text: string } {
  if (!answer) return { result: "Promise<void>", method: "none", text: "" };
  const type = answer.schema === undefined ? "unknown" : formatType(answer.schema, refer);
  switch (answer.type) {
    case "application/json":
      return { result: `Promise<${type}>`, method: "json", text: "" };
    case "application/x-ndjson":
      return {
        result: `AsyncGenerator<${type}, void, undefined>`,
        method: "lines",
        text: " Yields items as they arrive.",
      };
    case "text/event-stream":
      return {
        result: `AsyncGenerator<${type}, void, undefined>`,
        method: "events",
        text: " Yields events until the signal ends it; a broken connection continues where it broke.",
      };
    default:
      return { result: "Promise<Response>", method: "raw", text: " Returns the answer with its bytes." };
  }
}

/** A list with pages also has a method for the items of all pages. */
function formatIterator(operation: ClientOperation): string {
  const { name, summary, params, query, answer } = operation;
  const page = z
    .object({
      properties: z.record(z.string(), z.looseObject({ type: z.string().optional(), items: z.unknown().optional() })),
    })
    .safeParse(answer?.schema);
  const fields = page.success ? Object.entries(page.data.properties) : [];
  // Further arrays, such as the presets of allowed hosts, are not in pages: the rows come first.
  const list = fields.find(([, { type }]) => type === "array");
  if (!list || !name.startsWith("list") || !fields.some(([key]) => key === "next_cursor")) return "";
  const ids = params.map((param) => toCamelCase(param.name));
  const iterator = name.replace(/^list/, "iterate");
  return `

  /** ${escapeComment(summary)}: all pages. */
  ${iterator}(${[...ids.map((id) => `${id}: string`), formatQuery(query.filter((one) => one.name !== "cursor" && one.name !== "offset")).text, "options?: CallOptions"].join(", ")}): AsyncGenerator<${formatType(list[1].items, refer)}, void, undefined> {
    return this.#http.pages({ ${formatCall(operation)} }, "${list[0]}");
  }`;
}

function formatPath(path: string): string {
  const text = path
    .replace("{workspace}", "${this.#path}")
    .replaceAll(/(?<!\$)\{(\w+)\}/g, (_, name: string) => `\${encodeURIComponent(${toCamelCase(name)})}`);
  return text.includes("${") ? `\`${text}\`` : JSON.stringify(text);
}

const refer = (name: string): string => `schemas.${name}`;
const toPascalCase = (name: string): string =>
  name.replaceAll(/(?:^|[-_])([a-z])/g, (_, letter: string) => letter.toUpperCase());
const toCamelCase = (name: string): string => {
  const pascal = toPascalCase(name);
  return pascal.charAt(0).toLowerCase() + pascal.slice(1);
};
