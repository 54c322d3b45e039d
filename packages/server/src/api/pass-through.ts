import type { IncomingMessage } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { type RawRequest, type RawResponse, readRunnerFailure } from "@wharf/contract/wire";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { RunnerUse } from "../runners/index.ts";

/** Headers of a daemon's answer that are its caller's business. What the answer holds is for the route to say. */
const passedHeaders = ["content-length", "content-range", "accept-ranges", "etag", "last-modified"] as const;

/**
 * What a runner sends is nobody's page: it is not rendered, not run, and not taken for anything but what it says it is,
 * also where the browser has a page of this server open.
 */
const asDownload = {
  "x-content-type-options": "nosniff",
  "content-disposition": "attachment",
  "content-security-policy": "sandbox; default-src 'none'",
} as const;
/** The successes an answer may have: a whole, a part, and a part that is not there. */
const passedStatuses: ReadonlySet<number> = new Set([200, 206, 416]);

/** Aborted when the caller left before the answer was complete. */
export function getCallerSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort(new Error("the caller left"));
  });
  return controller.signal;
}

interface PassThroughRequest extends RawRequest {
  readonly use: RunnerUse;
  /** Of the answer. @default bytes of any kind */
  readonly type?: "application/octet-stream" | "application/x-ndjson" | "application/x-tar" | "application/json";
}

/**
 * Asks a runner's daemon and hands its answer on as it comes, no faster than the caller reads. Either end's leaving ends
 * it at the other. The runner's wire is in use for as long as that lasts, and given back here.
 */
export async function passThrough(
  reply: FastifyReply,
  { use, type = "application/octet-stream", ...raw }: PassThroughRequest,
): Promise<FastifyReply> {
  try {
    const answer = await use.client.request({ ...raw, signal: getCallerSignal(reply) });
    await refuseFailure(answer, use.client.runnerId);
    const { status, headers, body } = answer;
    body.once("close", () => use[Symbol.dispose]());
    for (const name of passedHeaders) {
      const value = headers[name];
      if (value !== undefined) void reply.header(name, value);
    }
    return await reply
      .headers(asDownload)
      .type(type)
      .status(passedStatuses.has(status) ? status : 200)
      .send(body);
  } catch (error) {
    use[Symbol.dispose]();
    throw error;
  }
}

/** Throws what a daemon says went wrong, where it does not answer with what it was asked for. */
export async function refuseFailure(answer: RawResponse, runnerId: string): Promise<void> {
  const { status } = answer;
  if ((status >= 200 && status < 300) || status === 416) return;
  throw await readRunnerFailure(answer, runnerId);
}

/**
 * A request's body for another request. It is a stream between the two: when the daemon has enough before the end, the
 * caller's connection must live on for the answer that says so.
 */
export function createRequestBody(request: FastifyRequest): Readable {
  const source: IncomingMessage = request.raw;
  const relayStream = new PassThrough();
  source.once("close", () => {
    if (!source.complete) relayStream.destroy(new Error("the caller left"));
  });
  relayStream.once("error", () => source.unpipe(relayStream));
  relayStream.once("close", () => source.resume());
  return source.pipe(relayStream);
}
