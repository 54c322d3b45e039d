/** What keeps a runner that was made from starting: each has a remedy of its own. */
export type StartObstacle = "image" | "crash" | "volume" | "volume_full" | "no_room" | "unknown";

/** What Wharf was doing with a remote repository when the time was over. */
export type RepositoryPhase = "wait" | "list" | "fetch" | "push";

/** What each error carries, typed, so that its message can name the thing that went wrong. */
export interface ErrorContexts {
  bad_request: { issues: readonly { path: string; message: string }[] };
  unauthenticated: Record<never, never>;
  forbidden: { action: string };
  forbidden_origin: { host: string };
  not_found: { what: string; id: string };
  ambiguous_id: { what: string; id: string };
  conflict: { what: string; from: string; to: string };
  turn_open: { task_id: string };
  queue_full: { task_id: string; limit: number };
  no_run: { task_id: string };
  task_needs_repository: { task_id: string };
  body_too_large: { limit_bytes: number };
  rate_limited: { retry_after_s: number };
  agent_type_unavailable: { name: string; reason: string };
  agent_start_failed: { command: string; reason: string };
  agent_exited: { exit: string };
  agent_refused: { reason: string };
  agent_timeout: { after_s: number; waiting_for: string };
  repository_missing: { url: string };
  repository_empty: { url: string };
  repository_auth: { url: string };
  repository_too_large: { url: string; limit_mb: number };
  repository_unreachable: { url: string; reason: string };
  repository_timeout: { url: string; host: string; phase: RepositoryPhase; after_s: number };
  branch_missing: { url: string; branch: string };
  push_rejected: { ref: string; reason: string };
  work_not_committed: { reason: string };
  git_failed: { command: string; reason: string };
  runner_unavailable: { runner_id: string; reason: string };
  runner_lost: { runner_id: string; reason: string };
  runner_timeout: { runner_id: string; phase: string; after_s: number };
  runner_failed: { reason: string };
  runner_hostile: { runner_id: string; reason: string };
  backend_failed: { backend: string; reason: string };
  engine_missing: { engine: string; address: string };
  engine_forbidden: { engine: string; address: string };
  engine_unreachable: { engine: string; address: string; reason: string };
  engine_tls: { engine: string; address: string; reason: string };
  engine_outdated: { engine: string; address: string; found: string; needed: string };
  engine_unsafe: { engine: string; address: string; reason: string };
  image_missing: { image: string; reason: string; remedy: string };
  image_unusable: { image: string; reason: string };
  cluster_unreachable: { address: string; reason: string };
  cluster_forbidden: { action: string; reason: string };
  quota_exceeded: { namespace: string; reason: string };
  namespace_ending: { namespace: string };
  runner_not_started: { runner_id: string; cause: StartObstacle; reason: string };
  isolation_unenforced: { runner_id: string; reason: string };
  sandbox_unsafe: { reason: string };
  path_outside: { path: string };
  file_too_large: { path: string; limit_bytes: number };
  journal_full: { bytes: number };
  log_full: { what: "task" | "run"; limit_mb: number };
  disk_full: { path: string };
  database_unavailable: { reason: string };
  data_folder_busy: { path: string; pid: string };
  secret_damaged: { path: string; reason: string };
  port_taken: { address: string };
  model_route_missing: { route: string };
  model_call_denied: { route: string; call: string };
  model_unreachable: { route: string; reason: string };
  egress_denied: { host: string };
  unsupported: { what: string };
  installation_mismatch: { reason: string; file: string };
  data_folder_copied: { path: string; original: string; file: string };
  backend_not_shared: { place: string; address: string };
  config_invalid: { name: string; reason: string };
  server_unreachable: { url: string; reason: string };
  internal: { reference: string };
}
export type ErrorCode = keyof ErrorContexts;
