import type { IncomingMessage, ServerResponse } from "node:http";
import type { WharfError } from "@wharf/contract";

/**
 * Maximum bytes of a refused request's body that are read and discarded so that its sender gets to
 * read the answer.
 */
const maxDrainedBytes = 64 * 1024 * 1024;
const maxDrainMs = 10_000;

/** A request and its response. */
export interface GatewayRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers without any other effect. A response that has already begun is reset, so that no client
 * takes it as complete.
 */
export function refuseRequest({ req, res }: GatewayRequest, refusal: Refusal): void {
  if (res.destroyed || res.writableEnded) return;
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const body = Buffer.from(JSON.stringify(refusal.body));
  res.writeHead(refusal.status, { ...refusal.headers, "content-type": refusal.type, "content-length": body.length });
  if (req.method !== "HEAD") res.write(body);
  drainRequest(req, () => res.end());
}

export function refuseWithError(request: GatewayRequest, error: WharfError, extra: object = {}): void {
  refuseRequest(request, {
    status: error.status,
    type: "application/problem+json",
    body: { ...error.toProblem(), ...extra },
    headers: getRetryHeaders(error),
  });
}

/** Agents retry a refused request for up to a minute unless the answer forbids it. */
function getRetryHeaders({ status, context }: WharfError): Record<string, string> {
  if ("retry_after_s" in context) return { "retry-after": String(context.retry_after_s) };
  return status < 500 && status !== 429 ? { "x-should-retry": "false" } : {};
}

/**
 * Delays the end of the answer until the request has ended; the client can read the answer at once.
 * Ending the answer early may close a connection to which the client still writes.
 */
function drainRequest(req: IncomingMessage, onDone: () => void): void {
  if (req.readableEnded || req.destroyed) {
    onDone();
    return;
  }
  let drained = 0;
  const timer = setTimeout(onDone, maxDrainMs);
  const finishDraining = () => {
    clearTimeout(timer);
    onDone();
  };
  req.once("end", finishDraining).once("close", finishDraining);
  req.on("data", (chunk: Buffer) => {
    drained += chunk.length;
    if (drained > maxDrainedBytes) req.destroy();
  });
  req.resume();
}
