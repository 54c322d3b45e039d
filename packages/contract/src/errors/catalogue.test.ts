import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ErrorCode, type ErrorContexts, errorCatalogue, WharfError } from "./index.ts";

const uuid = "5f0c7a2e-4d1b-4c58-9a39-0d6f2b7e8c11";
const url = "https://github.com/acme/shop.git";
const runner = { runner_id: uuid };
const budget = { budget_id: uuid, scope: "task", target_id: uuid, action: "pause", amount_usd: 5 } as const;
const engine = { engine: "Docker", address: "unix:///var/run/docker.sock" };

/**
 * At least one context for each code, and one for each branch of its sentences. A code without a
 * sample does not compile.
 */
const samples: { readonly [Code in ErrorCode]: readonly [ErrorContexts[Code], ...ErrorContexts[Code][]] } = {
  bad_request: [
    { issues: [{ path: "title", message: "must not be empty" }] },
    {
      issues: [
        { path: "", message: "the body is not JSON" },
        { path: "limit", message: "must be at most 100" },
      ],
    },
  ],
  unauthenticated: [{}],
  stream_ticket_invalid: [{}],
  query_token_refused: [{}],
  access_ended: [{ reason: "login" }, { reason: "permission" }, { reason: "resource" }],
  permission_missing: [
    { permission: "task:prompt", reason: "token" },
    { permission: "account:write", reason: "issuer" },
    { permission: "task:prompt", reason: "board" },
    { permission: "budget:write", reason: "role" },
    { permission: "server:admin", reason: "role" },
  ],
  organization_not_found: [{ name: "acme" }],
  organization_exists: [{ slug: "acme" }],
  organization_needs_admin: [{}],
  user_not_found: [{ name: "ada" }],
  user_exists: [{ username: "ada" }],
  user_needs_invitation: [{ username: "ada", email: "ada@example.com" }],
  access_token_not_found: [{ id: uuid }],
  access_token_outlives_creator: [{ expires_at: "2026-01-31T08:00:00.000Z" }],
  board_needs_owner: [{}],
  allowed_host_not_found: [{ id: uuid }],
  forbidden_origin: [{ host: "wharf.example" }],
  route_not_found: [{ method: "GET", path: "/api/v1/nothing" }],
  cursor_expired: [{ cursor: "17" }],
  ambiguous_id: [{ what: "task", id: "5f0c7a2e" }],
  body_too_large: [{ limit_bytes: 1_048_576 }],
  idempotency_key_invalid: [{ value: "a b" }],
  idempotency_key_reused: [{ key: "create-7" }],
  idempotency_in_progress: [{ retry_after_s: 2 }],
  idempotency_answer_missing: [{ reason: "its answer has a secret, which is not stored" }],
  idempotency_unsupported: [{ method: "POST", path: "/api/v1/auth/login" }],
  precondition_failed: [{ what: "task", id: uuid, version: 8 }],
  precondition_invalid: [{ value: "7" }],
  precondition_unsupported: [{ method: "PUT", path: "/api/v1/users/ada" }],
  rate_limited: [{ retry_after_s: 10 }],
  too_many_requests: [
    { limit: 1_000, sender: "user", retry_after_s: 10 },
    { limit: 100, sender: "address", retry_after_s: 10 },
  ],
  method_not_allowed: [{ method: "PUT", path: "/api/v1/tasks", allowed: "GET, HEAD, OPTIONS" }],
  not_acceptable: [{ accept: "text/html", available: ["application/json"] }],
  unsupported_media_type: [{ type: "text/plain" }, { type: "" }],
  unsupported_encoding: [{ encoding: "gzip" }],
  unsupported: [{ what: "Choosing a mode of this agent" }],
  internal: [{ reference: uuid }],
  oidc_unavailable: [{ issuer: "login.example.com", reason: "fetch failed" }],
  oidc_failed: [{ issuer: "login.example.com", reason: "invalid_client" }],
  oidc_cancelled: [{}],
  oidc_attempt_lost: [{}],
  oidc_email_missing: [{}],
  oidc_not_allowed: [{ reason: "addresses of example.com" }],
  oidc_not_invited: [{ email: "ada@example.com" }],
  oidc_account_protected: [{ username: "owner" }],
  account_inactive: [{}],
  identity_not_found: [{ id: uuid }],
  passkey_refused: [{}],
  passkey_copied: [{ id: uuid, name: "Laptop" }],
  passkey_unsuitable: [{ reason: "it belongs to an account already" }],
  passkey_attempt_lost: [{}],
  passkey_not_found: [{ id: uuid }],
  passkeys_unavailable: [{ host: "192.0.2.1:4000" }, { host: "127.0.0.1:4000", url: "http://localhost:4000" }],
  too_many_passkeys: [{ max: 20 }],
  device_login_pending: [{}],
  device_login_refused: [{}],
  device_login_expired: [{}],
  device_code_unknown: [{}],
  login_failed: [{}],
  login_ended: [{}],
  login_not_found: [{ id: uuid }],
  link_invalid: [{}],
  invitation_not_found: [{ id: uuid }],
  invitation_for_other_account: [{ email: "ada@example.com" }],
  login_link_not_found: [{ id: uuid }],
  username_taken: [{ username: "ada" }],
  account_shared: [{ username: "ada" }],
  account_is_service: [{ username: "ci" }],
  cross_site_request: [{}],
  password_unsuitable: [{ reason: "it is shorter than 10 characters" }],
  board_not_found: [{ id: uuid }],
  board_is_default: [{ board_id: uuid }],
  task_not_found: [{ id: uuid }],
  task_transition_invalid: [{ task_id: uuid, from: "COMPLETED", to: "REVIEW" }],
  comment_not_found: [{ id: uuid }],
  comment_of_another: [{ id: uuid }],
  comments_full: [{ task_id: uuid, limit: 1000 }],
  no_open_comments: [{ task_id: uuid }],
  comments_too_long: [{ task_id: uuid, limit: 200_000 }],
  assignee_without_access: [{ user: "ada" }],
  template_not_found: [{ name: "bug" }],
  templates_full: [{ limit: 1000 }],
  template_values_missing: [{ names: ["issue", "area"] }],
  template_value_unknown: [{ name: "issue" }],
  task_archived: [{ task_id: uuid }],
  task_at_work: [{ task_id: uuid, state: "BLOCKED" }],
  task_needs_repository: [{ task_id: uuid }],
  run_not_found: [{ id: uuid }],
  run_stopping: [{}],
  run_transition_invalid: [{ run_id: uuid, from: "STOPPED", to: "RUNNING" }],
  no_run: [{ task_id: uuid }],
  turn_not_found: [{ id: uuid }],
  turn_without_commits: [
    { turn: "3", state: "QUEUED" },
    { turn: "last", state: "ENDED" },
  ],
  turn_open: [{ task_id: uuid }],
  turn_ended: [{ turn_id: uuid, state: "CANCELLED" }],
  turn_id_taken: [{ turn_id: uuid }],
  no_turn: [{ task_id: uuid }],
  dependency_cycle: [
    { task_id: uuid, depends_on_id: uuid },
    { task_id: uuid, depends_on_id: "7d1e2f3a-0b1c-4d2e-8f3a-4b5c6d7e8f90" },
  ],
  dependency_not_found: [{ task_id: uuid, id: "1f2e3d4c" }],
  dependencies_full: [{ task_id: uuid, limit: 50 }],
  queue_full: [{ task_id: uuid, limit: 20 }],
  permission_request_not_found: [{ id: "p-7" }],
  permission_request_closed: [
    { state: "answered" },
    { state: "timed_out" },
    { state: "cancelled" },
    { state: "closed" },
  ],
  no_changes: [{ task_id: uuid }],
  workspace_missing: [{ task_id: uuid }],
  workspace_closed: [{ task_id: uuid }],
  workspace_removed: [{ task_id: uuid }],
  no_commit: [{ task_id: uuid }],
  nothing_to_push: [
    { task_id: uuid, isPushed: true },
    { task_id: uuid, isPushed: false },
  ],
  search_without_words: [{}],
  search_too_slow: [{ after_s: 10 }],
  log_full: [
    { what: "task", limit_mb: 1_000 },
    { what: "run", limit_mb: 200 },
  ],
  agent_type_not_found: [{ name: "gemni" }],
  agent_type_exists: [{ name: "gemini" }],
  agent_type_shared: [{ name: "gemini" }],
  agent_type_in_use: [{ name: "mine" }],
  agent_type_unavailable: [{ name: "gemini", reason: "'gemini' is not on the PATH" }],
  policy_unsupported: [{ name: "printer", policy: "ask", reason: "it cannot ask for permission" }],
  choice_unavailable: [
    { what: "mode", id: "yolo", offered: "default, plan" },
    { what: "model", id: "large", offered: "" },
  ],
  agent_start_failed: [{ command: "gemini --acp", reason: "exit code 3: cannot find my model" }],
  agent_not_ready: [
    { status: "none" },
    { status: "starting" },
    { status: "ready" },
    { status: "busy" },
    { status: "exited" },
  ],
  agent_busy: [{}],
  agent_paused: [{}],
  agent_exited: [{ exit: "exit code 7" }],
  agent_out_of_memory: [{ exit: "signal SIGKILL", limit: "its memory limit of 512 MiB" }],
  agent_refused: [{ reason: "Authentication required" }],
  agent_test_ended: [{ name: "claude", reason: "somebody deleted its task" }],
  agent_test_timeout: [
    { name: "claude", after_s: 180, phase: "queue" },
    { name: "claude", after_s: 180, phase: "answer" },
  ],
  agent_timeout: [
    { after_s: 600, waiting_for: "the prompt" },
    { after_s: 30, waiting_for: "initialize" },
  ],
  session_not_found: [{ id: uuid }],
  tool_not_found: [{ name: "open_browser" }],
  directive_not_found: [{ name: "dance" }],
  agent_model_failed: [
    {
      reason: "The model's server answers 429 (too many requests).",
      next: "Wait and prompt the task again, or check the quota and the credit of the provider's account.",
    },
  ],
  model_route_missing: [{ route: "gemini" }],
  model_denied: [
    { route: "anthropic", model: "claude-opus-4", allowed: ["claude-haiku-*", "claude-sonnet-*"] },
    { route: "openai", allowed: ["gpt-5"] },
  ],
  model_key_unreadable: [{ route: "anthropic", reason: "its file does not exist" }],
  model_route_unknown: [{ route: "mistral", existing: ["gemini", "anthropic", "openai"] }],
  model_route_denied: [{ route: "gemini", own: "anthropic" }, { route: "gemini" }],
  model_call_denied: [{ route: "gemini", call: "POST /v1beta/files" }],
  model_request_invalid: [{ reason: "'model' is not the name of a model" }],
  model_request_encoded: [{ encoding: "gzip" }],
  model_unreachable: [{ route: "gemini", reason: "connection refused" }],
  model_answer_cut: [{ route: "gemini" }],
  ledger_unavailable: [{}],
  budget_exhausted: [
    { ...budget, period: "total", needed_usd: 0.251, spent_usd: 4.8, reserved_usd: 0.1 },
    { ...budget, scope: "organization", period: "day", needed_usd: 1, spent_usd: 5.5, reserved_usd: 0 },
  ],
  budget_needs_price: [
    { ...budget, period: "month", route: "openai", model: "own-model" },
    { ...budget, period: "total", route: "openai" },
  ],
  run_limit_not_found: [{ id: uuid }],
  run_limit_user_not_found: [{ user: "ada" }],
  budget_not_found: [{ id: uuid }],
  budget_user_not_found: [{ user: "ada" }],
  run_rate_limited: [
    { what: "requests", limit: 60, retry_after_s: 1 },
    { what: "tokens", limit: 100_000, retry_after_s: 42 },
  ],
  host_unreachable: [{ host: "registry.npmjs.org", reason: "the name does not exist" }],
  registry_token_unusable: [{ registry: "packages", reason: "the variable NPM_TOKEN is empty" }],
  egress_denied: [{ host: "registry.npmjs.org" }],
  repository_missing: [{ url }],
  repository_empty: [{ url }],
  repository_auth: [{ url }],
  repository_refused: [{ url, reason: "its host has the address 10.0.0.5, which is in a private network" }],
  git_credential_refused: [{ url, entry: "github.com/acme (token)" }],
  git_credential_unusable: [
    { entry: "github.com (github_app)", reason: "GitHub answers 404 to GET /repos/acme/shop/installation: Not Found" },
  ],
  repository_too_large: [{ url, limit_mb: 500 }],
  repository_unreachable: [{ url, reason: "Could not resolve host: github.com" }],
  repository_timeout: [
    { url, host: "github.com", phase: "wait", after_s: 120 },
    { url, host: "github.com", phase: "list", after_s: 30 },
    { url, host: "github.com", phase: "fetch", after_s: 600 },
    { url, host: "github.com", phase: "push", after_s: 600 },
  ],
  branch_missing: [{ url, branch: "relase" }],
  mirror_not_found: [{ id: "0a1b2c3d4e5f60718293" }],
  revision_not_found: [{ revision: "shadow/task-9" }],
  workspace_not_cloned: [{}],
  workspace_occupied: [
    { content: "files", requested: "/git/shop.git" },
    { content: "a clone of /git/shop.git (shadow/task-1)", requested: "/git/shop.git (shadow/task-2)" },
  ],
  uncommitted_changes: [{ revision: "main" }],
  push_rejected: [{ ref: "refs/heads/shadow/task-1", reason: "protected branch hook declined" }],
  work_not_committed: [{ reason: "big.bin is larger than 100 MB" }],
  git_failed: [{ command: "merge-base", reason: "fatal: bad object HEAD" }],
  git_over_limit: [
    { command: "diff", limit: "96 MB of memory" },
    { command: "diff", limit: "60 s" },
  ],
  runner_not_found: [{ id: uuid }],
  runner_already_exists: [{}],
  runner_in_use: [runner],
  runner_not_running: [
    { ...runner, state: "CREATING" },
    { ...runner, state: "STOPPED" },
    { ...runner, state: "DESTROYED" },
    { ...runner, state: "ERROR" },
  ],
  runner_stopping: [{}],
  runner_unavailable: [{ ...runner, reason: "its daemon does not answer" }],
  runner_lost: [{ ...runner, reason: "its container was removed" }],
  runner_timeout: [{ ...runner, phase: "clone", after_s: 600 }],
  runner_failed: [{ reason: "unexpected end of file" }],
  runner_hostile: [{ ...runner, reason: "it does not know the runner's key" }],
  runner_incompatible: [{ ...runner, version: "0.1.0", protocol: 2, needed: 3 }],
  daemon_already_running: [{}],
  wire_superseded: [{ highest_epoch: 7, offered_epoch: 6 }],
  command_not_found: [{ id: uuid }],
  command_already_exists: [{ id: uuid }],
  command_in_foreground: [{ id: uuid }],
  stdin_closed: [{}],
  too_many_commands: [{ limit: 128 }],
  file_not_found: [{ path: "src/missing.ts" }],
  file_already_exists: [{ path: "src/main.ts" }],
  file_changed: [{ path: "src/main.ts" }],
  file_too_large: [{ path: "data.bin", limit_bytes: 52_428_800 }],
  folder_not_empty: [{ path: "src" }],
  path_outside: [{ path: "/etc/passwd" }],
  text_not_found: [{ text: "const answer" }],
  disk_full: [{ path: "/var/lib/wharf" }],
  port_not_listening: [{ port: 3000 }],
  port_reserved: [{ port: 4001 }],
  port_without_answer: [{ port: 3000, reason: "it closed the connection" }],
  too_many_connections: [{ limit: 256 }],
  preview_not_found: [{}],
  preview_address_missing: [{ host: "10.0.0.4:4000" }],
  too_many_previews: [{ limit: 100 }],
  terminal_not_found: [{ id: uuid }],
  terminal_ended: [{}],
  terminal_input_full: [{}],
  viewer_not_found: [{ id: "ann" }],
  keyboard_in_use: [{ holder: "bob" }],
  too_many_terminals: [{ limit: 32 }],
  too_many_viewers: [{ limit: 256 }],
  journal_full: [{ bytes: 67_108_864 }],
  journal_epoch_changed: [{ current: "b3e1", requested: "9f00" }],
  journal_record_not_found: [{ seq: 4 }],
  journal_record_not_written: [{ seq: 15, last: 12 }],
  backend_failed: [{ backend: "local", reason: "the sandbox did not start" }],
  engine_missing: [engine],
  engine_forbidden: [engine],
  engine_unreachable: [{ ...engine, reason: "socket hang up" }],
  engine_tls: [{ ...engine, reason: "certificate has expired" }],
  engine_outdated: [{ ...engine, found: "1.40", needed: "1.41" }],
  engine_unsafe: [{ ...engine, reason: "it starts containers without a seccomp profile" }],
  image_missing: [
    {
      image: "acme/agent:1",
      reason: "manifest unknown",
      remedy:
        "Try `docker pull acme/agent:1` on the engine's machine (with `docker login` if the registry requires one), or correct the image's name.",
    },
  ],
  image_unusable: [{ image: "alpine:3", reason: "exec /opt/wharf/node/bin/node failed: No such file or directory" }],
  cluster_unreachable: [{ address: "https://10.0.0.1:6443", reason: "connect ECONNREFUSED" }],
  cluster_forbidden: [{ action: "list pods in namespace wharf", reason: "pods is forbidden" }],
  quota_exceeded: [{ namespace: "wharf", reason: "exceeded quota: requests.cpu" }],
  namespace_ending: [{ namespace: "client-acme" }],
  namespace_foreign: [{ namespace: "client-acme", label: "wharf.dev/allow" }],
  runner_not_started: [
    { ...runner, cause: "image", reason: "the image acme/agent:1 cannot be pulled: manifest unknown" },
    { ...runner, cause: "crash", reason: "its container exited with code 127: exec format error" },
    { ...runner, cause: "volume", reason: "no volume was created for its claim" },
    { ...runner, cause: "volume_full", reason: "no space is left on its volume" },
    { ...runner, cause: "no_room", reason: "0/3 nodes are available: 3 Insufficient cpu" },
    { ...runner, cause: "unknown", reason: "the pod is not running" },
  ],
  isolation_unenforced: [{ ...runner, reason: "a pod of another namespace answers it" }],
  server_unreachable: [{ url: "http://127.0.0.1:4000", reason: "nothing listens there" }],
  server_still_stopping: [{ pid: 4711, after_s: 60 }],
  usage_invalid: [{ reason: "--limit: expected a number from 1 to 100, got 'many'" }],
  config_invalid: [{ name: "WHARF_PORT", reason: "expected a number from 0 to 65535" }],
  not_ready: [
    {
      problems: [
        {
          part: "database",
          problem: "The database does not respond.",
          next: "Wharf restarts its own database. Check one that DATABASE_URL names, and the server's log.",
        },
      ],
    },
    { problems: [] },
  ],
  port_taken: [{ address: "127.0.0.1:4000" }],
  database_unavailable: [{ reason: "connect ECONNREFUSED 127.0.0.1:5432" }],
  audit_unavailable: [{}],
  audit_damaged: [{ sequence: 17, reason: "Entry 17 is missing: entry 18 follows 16." }],
  data_folder_busy: [{ path: "~/.wharf", pid: "4711" }],
  data_folder_open: [{ path: "~/.wharf", command: "chmod go-w '~/.wharf'" }],
  data_folder_copied: [{ path: "~/copy", original: "~/.wharf", file: "~/copy/server-id" }],
  secret_damaged: [{ path: "~/.wharf/secret", reason: "it is empty" }],
  installation_mismatch: [{ reason: "the data folder belongs to another database", file: "~/.wharf/installation" }],
  backend_not_shared: [{ place: "local:~/.wharf", address: "http://10.0.0.2:4000" }],
};

function formatEntry<Code extends ErrorCode>(code: Code): string {
  const contexts: readonly ErrorContexts[Code][] = samples[code];
  const { http, grpc } = errorCatalogue[code];
  const sentences = contexts.map((context) => {
    const { message, next } = new WharfError(code, context);
    return `> ${message}\\\n> → ${next}`;
  });
  return [`## ${code}`, `HTTP ${http}, gRPC ${grpc}`, ...new Set(sentences)].join("\n\n");
}

test("every error says what happened and what to do, as docs/errors.md shows", async () => {
  const codes = Object.keys(samples) as ErrorCode[];
  const text = [
    "# All errors",
    "Every error that Wharf reports, with sample values. The line after the arrow is the next step. A test of `packages/contract` writes this page.",
    ...codes.map(formatEntry),
  ].join("\n\n");
  await expect(`${text}\n`).toMatchFileSnapshot("../../../../docs/errors.md");
});

test("every sentence of every error is a complete sentence without a gap", () => {
  for (const code of Object.keys(samples) as ErrorCode[])
    for (const context of samples[code]) {
      const { message, next } = new WharfError(code, context);
      expect(`${code}: ${message} ${next}`).not.toMatch(/undefined|\[object|NaN/);
      expect(next, code).toMatch(/^[A-Z`0-9].*[^\s]$/);
    }
});

test("every code is used outside the catalogue", () => {
  const packages = join(import.meta.dirname, "../../..");
  const paths = globSync("*/src/**/*.ts", { cwd: packages }).filter(
    (path) => !/^contract.src.errors|\.test\.ts$/.test(path),
  );
  const source = paths.map((path) => readFileSync(join(packages, path), "utf8")).join("\n");
  expect(Object.keys(samples).filter((code) => !source.includes(`"${code}"`))).toEqual([]);
});
