import { Problem, RemoteError, WharfError } from "@wharf/contract";
import { APICallError, InvalidResponseDataError, NoOutputGeneratedError } from "ai";
import { z } from "zod";

/** The error bodies of the three APIs have this much in common. */
const ApiError = z.object({ error: z.object({ message: z.string() }) });
/** The SDK throws this after its last retry. */
const RetryFailure = z.object({ lastError: z.unknown() });

const maxReasonCharacters = 500;

function parseBody(body: string | undefined): unknown {
  try {
    return JSON.parse(body ?? "");
  } catch {
    return undefined;
  }
}

const createUnreachableError = (route: string, reason: string, cause?: unknown): WharfError =>
  new WharfError("model_unreachable", { route, reason: reason.slice(0, maxReasonCharacters) }, { cause });

export const createAnswerCutError = (route: string, cause?: unknown): WharfError =>
  new WharfError("model_answer_cut", { route }, { cause });

/** Returns whether a retry of the same request may bring a complete answer. */
export const isCut = (error: unknown): boolean => error instanceof WharfError && error.code === "model_answer_cut";

function toCallError(error: APICallError, route: string): WharfError | RemoteError {
  const body = parseBody(error.responseBody);
  const problem = Problem.safeParse(body);
  if (problem.success) return new RemoteError(problem.data);
  if (error.statusCode === 200) return createAnswerCutError(route, error);
  const apiError = ApiError.safeParse(body);
  const message = apiError.success ? apiError.data.error.message : error.message;
  return createUnreachableError(route, error.statusCode ? `HTTP ${error.statusCode}: ${message}` : message, error);
}

/**
 * Explains why a model gave no answer: with the gateway's own problem if there is one, otherwise
 * with the known facts.
 */
export function toModelError(thrown: unknown, route: string): WharfError | RemoteError {
  if (thrown instanceof WharfError || thrown instanceof RemoteError) return thrown;
  const retryFailure = RetryFailure.safeParse(thrown);
  if (retryFailure.success && retryFailure.data.lastError !== undefined)
    return toModelError(retryFailure.data.lastError, route);
  if (APICallError.isInstance(thrown)) return toCallError(thrown, route);
  // These are undici's message for a truncated body, and the SDK's for one without a finish reason.
  if (thrown instanceof TypeError && thrown.message === "terminated") return createAnswerCutError(route, thrown);
  const hasNoEnd =
    (InvalidResponseDataError.isInstance(thrown) && thrown.message.includes("without a finish reason")) ||
    (NoOutputGeneratedError.isInstance(thrown) && thrown.message.includes("without a finish chunk"));
  if (hasNoEnd) return createAnswerCutError(route, thrown);
  const described = z.object({ message: z.string() }).safeParse(thrown);
  return createUnreachableError(route, described.success ? described.data.message : String(thrown), thrown);
}
