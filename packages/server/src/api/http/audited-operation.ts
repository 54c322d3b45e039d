import {
  api,
  type AuditDetails,
  type AuditPolicy,
  type Endpoint,
  getAuditPolicy,
  runnerApi,
  workspaceApi,
} from "@wharf/contract";
import type { FastifyRequest } from "fastify";
import type { AuditRecord } from "../../audit/index.ts";
import { parseJson } from "../../std/json.ts";

/** A route as the audit log names it. */
export interface AuditedOperation {
  readonly action: string;
  readonly policy: AuditPolicy;
  readonly path: string;
}

/** Acts that are possible only on a page. */
const pageActs = ["addPasskey", "linkIdentity", "logInWithPasskey"] as const;
export type PageAct = (typeof pageActs)[number];
const isPageAct = (name: string): name is PageAct => pageActs.some((act) => act === name);

declare module "fastify" {
  interface FastifyContextConfig {
    /** The operation of the contract that a page performs, or one that only pages have. */
    auditAs?: keyof typeof api | PageAct;
  }
}

/** Routes that are neither in the contract nor name an operation of it change nothing. */
const unlisted = { action: "request", policy: "denied" } as const;

const getKey = (method: string, path: string) => `${method} ${path}`;
const operations = new Map(
  Object.entries<Endpoint>({ ...api, ...runnerApi, ...workspaceApi }).map(([action, endpoint]) => [
    getKey(endpoint.method, endpoint.path),
    { action, policy: getAuditPolicy(endpoint), path: endpoint.path },
  ]),
);

/** Finds the operation of a request by its route, so that no route can forget its entry. */
export function findOperation({ method, routeOptions }: FastifyRequest): AuditedOperation {
  const path = routeOptions.url ?? "";
  const { auditAs } = routeOptions.config;
  if (auditAs !== undefined) {
    const policy = isPageAct(auditAs) ? "always" : getAuditPolicy(api[auditAs]);
    return { action: auditAs, policy, path };
  }
  return operations.get(getKey(method, path)) ?? { ...unlisted, path };
}

/** The part of a page's address that is the secret of a link. */
export const secretParam = "secret";

type Target = NonNullable<AuditRecord["target"]>;

/** Returns what a request acts on: what its path names first by an id, such as a task. */
export function getTarget(params: unknown): Target | undefined {
  const [entry] = Object.entries(toStrings(params)).filter(([name]) => name !== secretParam);
  return entry && { kind: getKind(entry[0]), id: entry[1] };
}

/** Returns what a request has created, if its answer names that. */
export function getCreatedTarget(path: string, payload: unknown): Target | undefined {
  const answer = typeof payload === "string" ? toStrings(parseJson(payload)) : {};
  const id = answer["id"] ?? answer["terminal_id"];
  const resource = path.split("/").at(-1)?.replace(/s$/, "").replaceAll("-", "_");
  return id === undefined || !resource ? undefined : { kind: resource, id };
}

const getKind = (param: string): string => param.replace(/_id$/, "");

/**
 * Fields whose values explain an act. Of all other fields only the name is recorded: they may be
 * long or confidential.
 */
const explainedFields: ReadonlySet<string> = new Set([
  "action",
  "agent_type",
  "amount_usd",
  "anchor_sequence",
  "before",
  "command",
  "email",
  "entry",
  "mode_id",
  "model_id",
  "name",
  "option_id",
  "path",
  "period",
  "port",
  "role",
  "runners",
  "signal",
  "state",
  "user",
]);

/** Describes the input of a request: the ids behind the first, and what its fields say. */
export function getDetails({ params, query, body }: Pick<FastifyRequest, "params" | "query" | "body">): AuditDetails {
  const [, ...ids] = Object.entries(toStrings(params)).map(([name, id]) => [getKind(name), id] as const);
  const fields = { ...toFields(query), ...toFields(body) };
  const explained = Object.entries(fields).flatMap(([name, value]) => {
    if (!explainedFields.has(name)) return [];
    const text =
      typeof value === "string" || typeof value === "number" || typeof value === "boolean"
        ? value
        : JSON.stringify(value);
    return [[name, text] as const];
  });
  const names = Object.keys(toFields(body));
  return Object.fromEntries([
    ...ids,
    ...explained,
    ...(names.length > 0 ? [["fields", names.join(",")] as const] : []),
  ]);
}

const toFields = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined))
    : {};

const toStrings = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(toFields(value)).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
