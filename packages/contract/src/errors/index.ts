import { toStorable, toStorableText } from "../foreign-text.ts";
import { errorCatalogue } from "./catalogue.ts";
import type { ErrorCode, ErrorContexts } from "./contexts.ts";
import type { Problem } from "./problem.ts";
import { toSafeProblem } from "./runner-problem.ts";

export { errorCatalogue } from "./catalogue.ts";
export type { ErrorCode, ErrorContexts } from "./contexts.ts";
export type { StartObstacle } from "./engine-errors.ts";
export { Problem } from "./problem.ts";
export type { RepositoryPhase } from "./repository-errors.ts";
export { getRunnerNextStep, toRunnerCode } from "./runner-problem.ts";

/** A longer message would be a log; the failed operation's logs are kept elsewhere. */
const maxMessageLength = 16_384;

/**
 * An error of the catalogue. Every error thrown on purpose has this class. Its texts may quote git,
 * engines and models, so the constructor makes them storable: a run could not end with an error
 * that the database refuses.
 */
export class WharfError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly code: Code;
  readonly context: ErrorContexts[Code];

  constructor(code: Code, context: ErrorContexts[Code], options?: ErrorOptions) {
    super(toStorableText(errorCatalogue[code].message(context).slice(0, maxMessageLength)), options);
    this.name = "WharfError";
    this.code = code;
    this.context = context;
  }

  get status(): number {
    return errorCatalogue[this.code].http;
  }

  get next(): string {
    return toStorableText(errorCatalogue[this.code].next(this.context));
  }

  toProblem(): Problem {
    return {
      type: `urn:wharf:error:${this.code}`,
      title: this.code.replaceAll("_", " "),
      status: this.status,
      detail: this.message,
      code: this.code,
      next: this.next,
      context: toStorable({ ...this.context }),
    };
  }
}

const isCode = (code: string): code is ErrorCode => Object.hasOwn(errorCatalogue, code);

/**
 * An error that another process reported. The error keeps a code that the catalogue knows, and
 * always keeps its message.
 */
export class RemoteError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "RemoteError";
    this.problem = problem;
  }

  /**
   * Creates the error of a runner's daemon. The plain constructor is for a server's errors, which
   * its caller trusts.
   */
  static fromRunner(problem: Problem): RemoteError {
    return new RemoteError(toSafeProblem(problem));
  }

  get code(): ErrorCode {
    return isCode(this.problem.code) ? this.problem.code : "internal";
  }
  get next(): string {
    return this.problem.next;
  }
  toProblem(): Problem {
    return this.problem;
  }
}

/** The only place where an unknown throwable becomes an error of the catalogue. */
export function toWharfError(thrown: unknown, reference: string): WharfError | RemoteError {
  if (thrown instanceof WharfError || thrown instanceof RemoteError) return thrown;
  if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOSPC") {
    return new WharfError(
      "disk_full",
      { path: "path" in thrown ? String(thrown.path) : "the data folder" },
      { cause: thrown },
    );
  }
  return new WharfError("internal", { reference }, { cause: thrown });
}
