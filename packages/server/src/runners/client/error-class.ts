import { type ErrorCode, RemoteError, WharfError } from "@wharf/contract";

/** Class of a failed call to a runner. */
export type ErrorClass = "TIMEOUT" | "CLIENT" | "SERVER" | "NETWORK" | "CIRCUIT_BREAKER_OPEN" | "UNKNOWN";

/**
 * The circuit refused the call without contacting the runner: too many consecutive calls failed.
 */
export class CircuitOpenError extends WharfError<"runner_unavailable"> {
  /** Time until the next call may pass, in ms. */
  readonly retryAfterMs: number;

  constructor(runnerId: string, retryAfterMs: number) {
    const seconds = Math.ceil(retryAfterMs / 1000);
    super("runner_unavailable", {
      runner_id: runnerId,
      reason: `too many calls to it failed, so Wharf sends none for ${seconds} s`,
    });
    this.name = "CircuitOpenError";
    this.retryAfterMs = retryAfterMs;
  }
}

/** Codes of errors that the server itself raises about a runner. */
const errorClassByCode: Partial<Record<ErrorCode, ErrorClass>> = {
  runner_timeout: "TIMEOUT",
  runner_unavailable: "NETWORK",
  runner_lost: "NETWORK",
};

/** UNKNOWN includes a peer that breaks the protocol, because no part of its answer is reliable. */
export function getErrorClass(error: unknown): ErrorClass {
  if (error instanceof CircuitOpenError) return "CIRCUIT_BREAKER_OPEN";
  if (error instanceof RemoteError) return toErrorClass(error.problem.status);
  if (!(error instanceof WharfError)) return "UNKNOWN";
  const code: ErrorCode = error.code;
  const errorClass = errorClassByCode[code];
  if (errorClass) return errorClass;
  return code === "runner_hostile" ? "UNKNOWN" : toErrorClass(error.status);
}

function toErrorClass(status: number): ErrorClass {
  if (status >= 400 && status < 500) return "CLIENT";
  return status >= 500 && status < 600 ? "SERVER" : "UNKNOWN";
}

/**
 * Whether the same call may succeed later. A lost runner stays lost, and a missing route stays
 * missing.
 */
export function isTransient(error: unknown): boolean {
  if ((error instanceof WharfError || error instanceof RemoteError) && permanentCodes.has(error.code)) return false;
  const kind = getErrorClass(error);
  return kind === "TIMEOUT" || kind === "NETWORK" || kind === "SERVER";
}

const permanentCodes: ReadonlySet<string> = new Set(["runner_lost", "runner_hostile", "unsupported"]);
