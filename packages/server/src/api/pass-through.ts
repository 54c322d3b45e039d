import type { IncomingMessage } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { Problem, RemoteError, WharfError } from "@wharf/contract";
import type { RawRequest, RawResponse } from "@wharf/contract/wire";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { RunnerUse } from "../runners/index.ts";

/** Headers of a daemon's answer that are its caller's business. */
const kept = ["content-type", "content-length", "content-range", "accept-ranges", "etag", "last-modified"] as const;
/** A problem is a few lines. */
const maxProblem = 64 * 1024; // bytes

/** Aborted when the caller left before the answer was complete. */
export function callerOf(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort(new Error("the caller left"));
  });
  return gone.signal;
}

/**
 * Asks a runner's daemon and hands its answer on as it comes, no faster than the caller reads. Either end's leaving ends
 * it at the other. The runner's wire is in use for as long as that lasts, and given back here.
 */
export async function passThrough(
  reply: FastifyReply,
  { use, ...raw }: RawRequest & { readonly use: RunnerUse },
): Promise<FastifyReply> {
  try {
    const answer = await use.client.request({ ...raw, signal: callerOf(reply) });
    await refuseFailure(answer, use.client.runnerId);
    const { status, headers, body } = answer;
    body.once("close", () => use[Symbol.dispose]());
    for (const name of kept) {
      const value = headers[name];
      if (value !== undefined) void reply.header(name, value);
    }
    return await reply.status(status).send(body);
  } catch (error) {
    use[Symbol.dispose]();
    throw error;
  }
}

/** A daemon's no as an error of its own words. */
export async function refuseFailure({ status, headers, body }: RawResponse, runnerId: string): Promise<void> {
  if ((status >= 200 && status < 300) || status === 416) return;
  const length = Number(headers["content-length"] ?? 0);
  const problem = length <= maxProblem ? Problem.safeParse(jsonOf(await text(body))) : undefined;
  body.destroy();
  if (problem?.success) throw new RemoteError(problem.data);
  const reason = `its daemon answers ${status} without saying why`;
  throw new WharfError("runner_hostile", { runner_id: runnerId, reason });
}

/**
 * A request's body for another request. It is a stream between the two: when the daemon has enough before the end, the
 * caller's connection must live on for the answer that says so.
 */
export function bodyOf(request: FastifyRequest): Readable {
  const source: IncomingMessage = request.raw;
  const through = new PassThrough();
  source.once("close", () => {
    if (!source.complete) through.destroy(new Error("the caller left"));
  });
  through.once("error", () => source.unpipe(through));
  through.once("close", () => source.resume());
  return source.pipe(through);
}

function jsonOf(words: string): unknown {
  try {
    return JSON.parse(words);
  } catch {
    return undefined;
  }
}
