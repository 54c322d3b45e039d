import { z } from "zod";
import { type Endpoint, getAuditPolicy, getIdempotency, type ServerEndpoint } from "./endpoint.ts";
import type { ErrorCode } from "./errors/index.ts";

/**
 * The errors that each route of the server can answer. Most follow from the parts of the route:
 * what it needs, names and reaches. A route lists only the others itself, as its `errors`.
 */

/** Errors that any request can meet. */
const commonErrors = [
  "bad_request",
  "unsupported_encoding",
  "forbidden_origin",
  "internal",
  "database_unavailable",
  "disk_full",
] as const satisfies readonly ErrorCode[];

const senderErrors = [
  "unauthenticated",
  "login_ended",
  "organization_not_found",
  "cross_site_request",
] as const satisfies readonly ErrorCode[];

/** What is missing if a parameter or a field names it in vain. */
const namedErrors: Readonly<Record<string, readonly ErrorCode[]>> = {
  agent_id: ["run_not_found", "ambiguous_id"],
  agent_type: ["agent_type_not_found"],
  assignee: ["user_not_found"],
  board_id: ["board_not_found"],
  comment_id: ["comment_not_found"],
  command_id: ["command_not_found"],
  depends_on: ["dependency_not_found", "ambiguous_id"],
  depends_on_id: ["dependency_not_found", "ambiguous_id"],
  preview_id: ["preview_not_found"],
  runner_id: ["runner_not_found", "ambiguous_id"],
  task_id: ["task_not_found", "ambiguous_id"],
  template_id: ["template_not_found"],
  terminal_id: ["terminal_not_found"],
  turn: ["turn_not_found", "turn_without_commits"],
  turn_id: ["turn_not_found"],
  type_id: ["agent_type_not_found"],
  user: ["user_not_found"],
};

/** Errors on the way to a runner's daemon, and of the daemon itself. */
const runnerErrors = [
  "runner_not_running",
  "runner_stopping",
  "runner_unavailable",
  "runner_lost",
  "runner_timeout",
  "runner_failed",
  "runner_hostile",
  "runner_incompatible",
  "body_too_large",
] as const satisfies readonly ErrorCode[];

const workspaceErrors = [
  "workspace_missing",
  "workspace_closed",
  "workspace_removed",
  // Without its runner, the branch in the mirror answers.
  "no_changes",
  "mirror_not_found",
  "git_over_limit",
  "repository_unreachable",
  "repository_timeout",
] as const satisfies readonly ErrorCode[];

const fileErrors = [
  "file_not_found",
  "file_already_exists",
  "file_changed",
  "file_too_large",
  "folder_not_empty",
  "path_outside",
  "text_not_found",
] as const satisfies readonly ErrorCode[];
const commandErrors = [
  "command_not_found",
  "command_already_exists",
  "command_in_foreground",
  "stdin_closed",
  "too_many_commands",
  "file_not_found",
  "path_outside",
] as const satisfies readonly ErrorCode[];
const terminalErrors = [
  "terminal_not_found",
  "terminal_ended",
  "terminal_input_full",
  "viewer_not_found",
  "keyboard_in_use",
  "too_many_terminals",
  "too_many_viewers",
  "unsupported",
  "file_not_found",
  "path_outside",
] as const satisfies readonly ErrorCode[];

/** What a runner's daemon answers, by the part of a path that follows the runner or workspace. */
const daemonErrors: Readonly<Record<string, readonly ErrorCode[]>> = {
  health: [],
  files: fileErrors,
  search: ["file_not_found", "path_outside"],
  watcher: [],
  git: [
    "git_failed",
    "revision_not_found",
    "workspace_not_cloned",
    "workspace_occupied",
    "uncommitted_changes",
    "push_rejected",
    "file_not_found",
    "file_too_large",
    "path_outside",
  ],
  execute: commandErrors,
  commands: commandErrors,
  terminal: terminalErrors,
  terminals: terminalErrors,
  logs: terminalErrors,
  ports: [],
  previews: [],
};

const runnerPath = /\/(?:workspace|runners\/:runner_id)\/(?!workspace\/)([a-z]+)/;

/** Errors of `Idempotency-Key`. */
function listIdempotencyErrors(route: ServerEndpoint): readonly ErrorCode[] {
  if (route.method !== "POST") return [];
  if (getIdempotency(route) === "unsupported") return ["idempotency_unsupported"];
  return [
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "idempotency_in_progress",
    "idempotency_answer_missing",
    "rate_limited",
  ];
}

/** Errors of `If-Match`. A read ignores it. */
function listPreconditionErrors({ method, ifMatch }: ServerEndpoint): readonly ErrorCode[] {
  if (method === "GET" || ifMatch === "file") return [];
  return ifMatch === "version" ? ["precondition_failed", "precondition_invalid"] : ["precondition_unsupported"];
}

/** Lists the codes of all errors that a route can answer. */
export function listErrors(route: ServerEndpoint): ErrorCode[] {
  const { method, path, needs, errors = [], body, bodyType, response, isUncounted = false } = route;
  const audit = getAuditPolicy(route);
  const area = daemonErrors[runnerPath.exec(path)?.[1] ?? ""];
  const codes: readonly ErrorCode[] = [
    ...commonErrors,
    ...(needs === "nothing" ? [] : senderErrors),
    ...(needs === "nothing" || needs === "token" ? [] : (["permission_missing"] as const)),
    ...(isUncounted ? [] : (["too_many_requests"] as const)),
    ...(response === "none" ? [] : (["not_acceptable"] as const)),
    ...(body === undefined && bodyType === undefined ? [] : (["body_too_large"] as const)),
    ...(method === "GET" || bodyType !== undefined ? [] : (["unsupported_media_type"] as const)),
    ...(audit === "always" || audit === "begun" ? (["audit_unavailable"] as const) : []),
    ...listFields(route).flatMap((field) => namedErrors[field] ?? []),
    ...(path.includes(":task_id/workspace/") ? workspaceErrors : []),
    ...(area === undefined ? [] : [...runnerErrors, ...area]),
    ...listPreconditionErrors(route),
    ...listIdempotencyErrors(route),
    ...errors,
  ];
  return [...new Set(codes)].toSorted();
}

const listFields = ({ params, query, body }: Endpoint): string[] =>
  [params, query, body].flatMap((schema) => Object.keys(findShape(schema)));

function findShape(schema: z.ZodType | undefined): z.ZodRawShape {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) {
    const inner = schema.unwrap();
    return inner instanceof z.ZodType ? findShape(inner) : {};
  }
  return schema instanceof z.ZodObject ? schema.shape : {};
}
