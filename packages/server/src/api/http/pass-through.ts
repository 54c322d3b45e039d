import type { IncomingMessage } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { type RawRequest, type RawResponse, readRunnerFailure } from "@wharf/contract/wire";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { RunnerUse } from "../../runners/index.ts";
import { eventHeaders, toServerSentEvents } from "./server-sent-events.ts";

/** Headers of a daemon's answer that concern its caller. The route decides the content type. */
const passedHeaders = ["content-length", "content-range", "accept-ranges", "etag", "last-modified"] as const;

/**
 * A runner's answer must never act as a page: browsers must not render it, run it, or guess another
 * content type, even if they have a page of this server open.
 */
const asDownload = {
  "x-content-type-options": "nosniff",
  "content-disposition": "attachment",
  "content-security-policy": "sandbox; default-src 'none'",
} as const;
/** The successful statuses of an answer: complete, partial, and a range that does not exist. */
const passedStatuses: ReadonlySet<number> = new Set([200, 206, 416]);

/** Aborts when the caller left before the answer was complete. */
export function getCallerSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort(new Error("the caller left"));
  });
  return controller.signal;
}

/** What an answer may be. None of these runs in a browser. */
export type PassedType =
  | "application/octet-stream"
  | "application/x-ndjson"
  | "application/x-tar"
  | "application/json"
  | "text/event-stream";

interface PassThroughRequest extends RawRequest {
  readonly use: RunnerUse;
  /** Content type of the answer. Lines of JSON are sent as events. @default bytes of any kind */
  readonly type?: PassedType;
}

/**
 * Sends a request to a runner's daemon and streams the answer, no faster than the caller reads. If
 * either end disconnects, the other end is disconnected too. The runner's wire is in use until
 * then, and released here.
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
    if (type === "text/event-stream")
      return await reply
        .headers({ ...asDownload, ...eventHeaders })
        .type(type)
        .send(toServerSentEvents(body));
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

/** Sends bytes that the server has itself, like those of a runner. */
export const sendBytes = (reply: FastifyReply, type: PassedType, bytes: unknown): FastifyReply =>
  reply.headers(asDownload).type(type).send(bytes);

/** Throws the daemon's error if its answer is not a success. */
export async function refuseFailure(answer: RawResponse, runnerId: string): Promise<void> {
  const { status } = answer;
  if ((status >= 200 && status < 300) || status === 416) return;
  throw await readRunnerFailure(answer, runnerId);
}

/**
 * Wraps a request's body for another request. A separate stream is between the two: if the daemon
 * answers before the end of the body, the caller's connection must remain open for that answer.
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
