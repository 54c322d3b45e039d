import { text as readText } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Endpoint,
  type EndpointInput,
  type EndpointOutput,
  formatVersionTag,
  Problem,
  RemoteError,
  getEndpointUrl,
  WharfError,
} from "@wharf/contract";
import { z } from "zod";
import { type ServerAddress, type LocateServer, getServerName, createUnservedError } from "./server-address.ts";
import { sendRequest } from "./transport.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Refuses a change of any other version. */
  readonly ifVersion?: number;
  /** Limits how long the server may take to answer. */
  readonly timeoutMs?: number;
  /** Limits how long an unresponsive server is retried. Only idempotent calls may set this. */
  readonly retryTimeoutMs?: number;
}

interface RequestParts {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

const defaultTimeoutMs = 60_000;
const retryIntervalMs = 500;

/**
 * Calls the server's routes. Every error is a WharfError, a RemoteError or the signal's own reason.
 */
export class Client {
  readonly locate: LocateServer;

  constructor(locate: LocateServer) {
    this.locate = locate;
  }

  async call<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: CallOptions = {},
  ): Promise<EndpointOutput<E>> {
    const deadline = performance.now() + (options.retryTimeoutMs ?? 0);
    for (;;) {
      try {
        return await this.#callOnce(route, input, options);
      } catch (error) {
        const quotaDelayMs = getQuotaDelayMs(error);
        if (quotaDelayMs === undefined && (!isTransient(error) || performance.now() >= deadline)) throw error;
        await sleep(quotaDelayMs ?? retryIntervalMs, undefined, options.signal ? { signal: options.signal } : {}).catch(
          () => options.signal?.throwIfAborted(),
        );
      }
    }
  }

  async #callOnce<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: CallOptions,
  ): Promise<EndpointOutput<E>> {
    const address = await this.locate();
    // The input type of a generic endpoint cannot show that it has no other parts than these.
    const parts = input as RequestParts;
    // A route that takes a body gets one, even if all of its fields are optional and missing.
    const body = route.body === undefined ? undefined : JSON.stringify(parts.body ?? {});
    const timeout = AbortSignal.timeout(options.timeoutMs ?? defaultTimeoutMs);
    const request = {
      method: route.method,
      path: getEndpointUrl(route, parts),
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(options.ifVersion !== undefined && { "if-match": formatVersionTag(options.ifVersion) }),
      },
      body,
      signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
    };
    let status: number;
    let text: string;
    try {
      const answer = await sendRequest(address, request);
      status = answer.statusCode ?? 0;
      text = await readText(answer);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw timeout.aborted
        ? createUnreachableError(getServerName(address), "it did not answer in time", error)
        : toConnectionError(address, error);
    }
    if (status < 200 || status > 299) throw toServerError(getServerName(address), status, text);
    if (typeof route.response === "string") return undefined as EndpointOutput<E>;
    const answer = route.response.safeParse(parseJson(text));
    if (!answer.success)
      throw createUnreachableError(
        getServerName(address),
        "the answer is not from this version of Wharf",
        answer.error,
      );
    // The schema belongs to the endpoint, which the type of a generic endpoint cannot show.
    return answer.data as EndpointOutput<E>;
  }
}

/** Converts an unsuccessful response into an error. */
export function toServerError(url: string, status: number, text: string): RemoteError | WharfError {
  const problem = Problem.safeParse(parseJson(text));
  return problem.success
    ? new RemoteError(problem.data)
    : createUnreachableError(url, `the answer is not from a Wharf server (HTTP status ${status})`);
}

export const createUnreachableError = (url: string, reason: string, cause?: unknown): WharfError =>
  new WharfError("server_unreachable", { url, reason }, { cause });

export const isUnreachable = (error: unknown): boolean =>
  error instanceof WharfError && error.code === "server_unreachable";

/** A restarting server or database recovers, so the request may be retried. */
const isTransient = (error: unknown): boolean =>
  isUnreachable(error) || (error instanceof RemoteError && error.code === "database_unavailable");

/** The server begins to count again after a minute. A longer wait comes from elsewhere. */
const maxQuotaDelayMs = 60_000;

const Quota = z.object({ retry_after_s: z.number().min(0) });

/**
 * Returns how long to wait after a request that was one too many. The server has not executed it,
 * so that any request may be sent again.
 */
export function getQuotaDelayMs(error: unknown): number | undefined {
  if (!(error instanceof RemoteError) || error.code !== "too_many_requests") return undefined;
  const seconds = Quota.safeParse(error.problem.context).data?.retry_after_s ?? 1;
  return seconds * 1_000 > maxQuotaDelayMs ? undefined : seconds * 1_000;
}

/** Describes a connection that failed to open, or that broke. */
export function toConnectionError(address: ServerAddress, error: unknown): WharfError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const isRefused = code === "ECONNREFUSED";
  if (address.folder !== undefined && (isRefused || code === "ENOENT"))
    return createUnservedError(address.folder, error);
  const reason = typeof code === "string" ? code : error instanceof Error ? error.message : String(error);
  return createUnreachableError(getServerName(address), isRefused ? "the connection was refused" : reason, error);
}

/** Returns undefined if the text is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
