import { toOneLine, toStorable } from "../foreign-text.ts";
import { errorCatalogue } from "./catalogue.ts";
import type { ErrorCode } from "./contexts.ts";
import type { Problem } from "./problem.ts";

/**
 * The door for errors that come out of a runner. A daemon is taken to be the agent's, so of its error only three things
 * count: a code that is a daemon's to use, one line of text, and a context that is data and nothing more. Status, title
 * and next step are the catalogue's: a daemon cannot have the API ask for a login, or tell a person what to run.
 */

/** What a daemon may say went wrong. */
const runnerCodes = [
  "agent_exited",
  "agent_out_of_memory",
  "agent_refused",
  "agent_start_failed",
  "agent_timeout",
  "bad_request",
  "body_too_large",
  "branch_missing",
  "choice_unavailable",
  "conflict",
  "disk_full",
  "egress_denied",
  "file_too_large",
  "git_failed",
  "journal_full",
  "model_unreachable",
  "not_found",
  "path_outside",
  "push_rejected",
  "repository_auth",
  "repository_empty",
  "repository_missing",
  "repository_too_large",
  "repository_unreachable",
  "runner_failed",
  "turn_open",
  "unsupported",
] as const satisfies readonly ErrorCode[];
type RunnerCode = (typeof runnerCodes)[number];

/** The steps whose text in the catalogue names a part of the context, which here would be the daemon's. */
const ownNext: { readonly [Code in RunnerCode]?: string } = {
  not_found: "List what there is in the runner and check the name.",
  conflict: "Look at it again: it may have changed since you read it.",
  turn_open: "Wait for the turn to end, or stop it with `wharf task stop`.",
};

const maxMessageBytes = 2_000;
const maxContextBytes = 4_000;

const isRunnerCode = (code: string): code is RunnerCode => runnerCodes.some((one) => one === code);

/** The code of a daemon's error; `runner_failed` where it is not a daemon's to use. */
export const toRunnerCode = (code: string): RunnerCode => (isRunnerCode(code) ? code : "runner_failed");

/** What to do about a daemon's error. */
export const getRunnerNextStep = (code: RunnerCode): string => ownNext[code] ?? errorCatalogue[code].next({} as never);

/** A daemon's error as the server passes it on. */
export function toSafeProblem({ code: reportedCode, detail, context }: Problem): Problem {
  const code = toRunnerCode(reportedCode);
  // Copied first: its nesting may be deeper than JSON.stringify goes.
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
