import { toStorable, toStorableText } from "../foreign-text.ts";
import { errorCatalogue } from "./catalogue.ts";
import type { ErrorCode, ErrorContexts } from "./contexts.ts";
import type { Problem } from "./problem.ts";
import { toSafeProblem } from "./runner-problem.ts";

export { errorCatalogue } from "./catalogue.ts";
export type { ErrorCode, ErrorContexts, RepositoryPhase, StartObstacle } from "./contexts.ts";
export { Problem } from "./problem.ts";
export { getRunnerNextStep, toRunnerCode } from "./runner-problem.ts";

/** A longer message would be a log; the logs of what failed are elsewhere. */
const maxMessageLength = 16_384;

/**
 * An error of the catalogue. Everything that is thrown on purpose is one of these. Its texts hold what git, engines and
 * models said, so they are made storable here: an error that the database refuses could end no run.
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

/** An error that another process reported: its code is kept where it is one of ours, its message always. */
export class RemoteError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "RemoteError";
    this.problem = problem;
  }

  /** The error of a runner's daemon. The plain constructor is for a server's, which its caller trusts. */
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

/** The one place where an unknown throwable becomes an error of the catalogue. */
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
