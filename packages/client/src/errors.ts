import type { ErrorCode, Problem } from "./generated/schemas.ts";

/**
 * An error that the server reports. `code` names the situation, `message` says what happened, and
 * `next` what to do about it.
 */
export class WharfError extends Error {
  override readonly name = "WharfError";
  /** The HTTP status of the answer. */
  readonly status: number;
  /** A later server may also send codes that this version of the client does not know. */
  readonly code: ErrorCode | (string & {});
  readonly next: string;
  /** The values that the message names. */
  readonly context: Readonly<Record<string, unknown>>;

  constructor({ status, code, detail, next, context }: Problem) {
    super(detail);
    this.status = status;
    this.code = code;
    this.next = next;
    this.context = context ?? {};
  }
}

/** The server could not be reached, or its answer is not one of a Wharf server. */
export class WharfConnectionError extends Error {
  override readonly name = "WharfConnectionError";
}

/** Whether the server sent an error with one of these codes, or with any code if none is given. */
export const isWharfError = (error: unknown, ...codes: readonly ErrorCode[]): error is WharfError =>
  error instanceof WharfError && (codes.length === 0 || codes.some((code) => code === error.code));

/** Converts an answer that is not a success. */
export async function readError(answer: Response): Promise<Error> {
  const text = await answer.text().catch(() => "");
  const problem = parseProblem(text);
  return problem
    ? new WharfError(problem)
    : new WharfConnectionError(`The answer is not from a Wharf server (HTTP status ${answer.status}).`);
}

function parseProblem(text: string): Problem | undefined {
  try {
    const { type, title, status, detail, code, next, context }: Partial<Problem> = JSON.parse(text);
    if (typeof code !== "string" || typeof detail !== "string" || typeof status !== "number") return undefined;
    return {
      type: type ?? "",
      title: title ?? "",
      status,
      detail,
      code,
      next: next ?? "",
      ...(context && { context }),
    };
  } catch {
    return undefined;
  }
}
