import type { ErrorCode } from "../errors/index.ts";

/** Errors of requests that change a task and its run. */
export const changeErrors = [
  "log_full",
  "no_run",
  "run_stopping",
  "run_transition_invalid",
  "task_transition_invalid",
] as const satisfies readonly ErrorCode[];

/** Errors of requests that prompt a task's agent, and start a run if there is none. */
export const promptErrors = [
  ...changeErrors,
  "agent_type_not_found",
  "agent_type_unavailable",
  "policy_unsupported",
  "queue_full",
  "task_archived",
  "task_needs_repository",
  "turn_id_taken",
] as const satisfies readonly ErrorCode[];

/** Errors of the changes on a task's branch. */
export const diffErrors = [
  "no_changes",
  "git_failed",
  "git_over_limit",
  "mirror_not_found",
  "revision_not_found",
  "runner_unavailable",
] as const satisfies readonly ErrorCode[];
