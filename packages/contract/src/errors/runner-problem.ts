import { toOneLine, toStorable } from "../foreign-text.ts";
import { errorCatalogue } from "./catalogue.ts";
import type { ErrorCode } from "./contexts.ts";
import type { Problem } from "./problem.ts";

/**
 * All errors from a runner pass through this module. The agent may control the daemon, so only
 * three parts of a daemon's error count: a code that a daemon may use, one line of text, and a
 * context that is plain data. Status, title and next step come from the catalogue: a daemon cannot
 * make the API ask for a login or recommend a command to a person.
 */

/** The error codes that a daemon may report. */
const runnerCodes = [
  "agent_busy",
  "agent_exited",
  "agent_not_ready",
  "agent_out_of_memory",
  "agent_paused",
  "agent_refused",
  "agent_start_failed",
  "agent_timeout",
  "bad_request",
  "body_too_large",
  "branch_missing",
  "choice_unavailable",
  "command_already_exists",
  "command_in_foreground",
  "command_not_found",
  "daemon_already_running",
  "disk_full",
  "egress_denied",
  "file_already_exists",
  "file_changed",
  "file_not_found",
  "file_too_large",
  "folder_not_empty",
  "git_failed",
  "journal_epoch_changed",
  "journal_full",
  "journal_record_not_found",
  "journal_record_not_written",
  "keyboard_in_use",
  "model_unreachable",
  "path_outside",
  "permission_request_closed",
  "permission_request_not_found",
  "port_not_listening",
  "port_reserved",
  "push_rejected",
  "repository_auth",
  "repository_empty",
  "repository_missing",
  "repository_too_large",
  "repository_unreachable",
  "revision_not_found",
  "route_not_found",
  "runner_failed",
  "runner_stopping",
  "stdin_closed",
  "terminal_ended",
  "terminal_input_full",
  "terminal_not_found",
  "text_not_found",
  "too_many_commands",
  "too_many_connections",
  "too_many_terminals",
  "too_many_viewers",
  "turn_not_found",
  "turn_open",
  "uncommitted_changes",
  "unsupported",
  "viewer_not_found",
  "wire_superseded",
  "workspace_not_cloned",
  "workspace_occupied",
] as const satisfies readonly ErrorCode[];
type RunnerCode = (typeof runnerCodes)[number];

/**
 * Next steps for codes whose catalogue text names a part of the context, which here comes from the
 * daemon.
 */
const ownNext: { readonly [Code in RunnerCode]?: string } = {
  agent_not_ready: "Wait until the agent is ready, or start it by prompting its task: `wharf task prompt <task>`.",
  turn_open: "Wait until the turn ends, or stop the run with `wharf task stop <task>`.",
};

const maxMessageBytes = 2_000;
const maxContextBytes = 4_000;

const isRunnerCode = (code: string): code is RunnerCode => runnerCodes.some((one) => one === code);

/** Returns the code of a daemon's error, or `runner_failed` if a daemon may not use the code. */
export const toRunnerCode = (code: string): RunnerCode => (isRunnerCode(code) ? code : "runner_failed");

/** Returns the next step for a daemon's error. */
export const getRunnerNextStep = (code: RunnerCode): string => ownNext[code] ?? errorCatalogue[code].next({} as never);

/** Converts a daemon's error to the form that the server passes on. */
export function toSafeProblem({ code: reportedCode, detail, context }: Problem): Problem {
  const code = toRunnerCode(reportedCode);
  // Copy first: the context may be nested deeper than JSON.stringify supports.
  const data = toStorable(context);
  return {
    type: `urn:wharf:error:${code}`,
    title: code.replaceAll("_", " "),
    status: errorCatalogue[code].http,
    detail: toOneLine(detail, maxMessageBytes) || "It did not say why.",
    code,
    next: getRunnerNextStep(code),
    ...(data && Buffer.byteLength(JSON.stringify(data)) <= maxContextBytes && { context: data }),
  };
}
