import { z } from "zod";
import { errorCatalogue } from "./catalogue.ts";
import type { ErrorCode, ErrorContexts } from "./contexts.ts";

export { errorCatalogue } from "./catalogue.ts";
export type { ErrorCode, ErrorContexts, RepositoryPhase, StartObstacle } from "./contexts.ts";

/** An error on the wire: problem+json with Wharf's code and the next step. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  next: z.string(),
  context: z.record(z.string(), z.unknown()).optional(),
});
export type Problem = z.infer<typeof Problem>;

/** An error of the catalogue. Everything that is thrown on purpose is one of these. */
export class WharfError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly code: Code;
  readonly context: ErrorContexts[Code];

  constructor(code: Code, context: ErrorContexts[Code], options?: ErrorOptions) {
    super(errorCatalogue[code].message(context), options);
    this.name = "WharfError";
    this.code = code;
    this.context = context;
  }

  get status(): number {
    return errorCatalogue[this.code].http;
  }

  get next(): string {
    return errorCatalogue[this.code].next(this.context);
  }

  toProblem(): Problem {
    return {
      type: `urn:wharf:error:${this.code}`,
      title: this.code.replaceAll("_", " "),
      status: this.status,
      detail: this.message,
      code: this.code,
      next: this.next,
      context: { ...this.context },
    };
  }
}

const isCode = (code: string): code is ErrorCode => Object.hasOwn(errorCatalogue, code);

/** An error that another process told of: its code is kept where it is one of ours, its words always. */
export class RemoteError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "RemoteError";
    this.problem = problem;
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
