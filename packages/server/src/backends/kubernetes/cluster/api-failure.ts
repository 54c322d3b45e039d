import { z } from "zod";
import { getErrorMessage } from "../../../std/errors.ts";
import { parseJson } from "../../../std/json.ts";
import type { ApiCall } from "./api-call.ts";

/** The API sends this body when it refuses a request. */
const Status = z.object({
  message: z.string().catch(""),
  reason: z.string().catch(""),
  details: z.object({ causes: z.array(z.object({ reason: z.string().optional() })).catch([]) }).catch({ causes: [] }),
});

/** The API answered with a failure. */
export class ApiFailure extends Error {
  readonly call: ApiCall;
  readonly status: number;
  /** Holds the API's own word for the failure, such as `AlreadyExists`. */
  readonly reason: string;
  readonly causes: readonly string[];
  /** The API asks clients to wait this long, where it names a time. */
  readonly retryAfterMs: number | undefined;

  constructor(call: ApiCall, answer: { status: number; body: string; retryAfter: string | undefined }) {
    const parsedStatus = Status.safeParse(parseJson(answer.body)).data;
    super(parsedStatus?.message || answer.body.trim().slice(0, 300) || `HTTP ${answer.status}`);
    this.name = "ApiFailure";
    this.call = call;
    this.status = answer.status;
    this.reason = parsedStatus?.reason ?? "";
    this.causes = parsedStatus?.details.causes.flatMap(({ reason }) => reason ?? []) ?? [];
    const seconds = Number(answer.retryAfter);
    this.retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
  }
}

/** The API sent no answer. */
export class ApiUnreachable extends Error {
  readonly call: ApiCall;
  constructor(call: ApiCall, cause: unknown) {
    super(getErrorMessage(cause), { cause });
    this.name = "ApiUnreachable";
    this.call = call;
  }
}

export const isNotFound = (error: unknown): boolean => error instanceof ApiFailure && error.status === 404;
export const isAlreadyExists = (error: unknown): boolean =>
  error instanceof ApiFailure && error.reason === "AlreadyExists";
