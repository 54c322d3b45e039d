import { text as textOf } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Endpoint,
  type EndpointInput,
  type EndpointOutput,
  Problem,
  RemoteError,
  urlOf,
  WharfError,
} from "@wharf/contract";
import { type Address, type Locate, nameOf, unserved } from "./locate.ts";
import { send } from "./transport.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** How long the server may take to answer. */
  readonly timeout?: number; // ms
  /** How long a server that does not answer is asked again. Only for calls that do no harm when they are made twice. */
  readonly patience?: number; // ms
}

interface Parts {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

const defaultTimeout = 60_000; // ms
const retryEvery = 500; // ms

/** Calls the server's routes. Every error is a WharfError, a RemoteError or the signal's own reason. */
export class Client {
  readonly locate: Locate;

  constructor(locate: Locate) {
    this.locate = locate;
  }

  async call<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: CallOptions = {},
  ): Promise<EndpointOutput<E>> {
    const until = performance.now() + (options.patience ?? 0);
    for (;;) {
      try {
        return await this.#attempt(route, input, options);
      } catch (error) {
        if (!isPassing(error) || performance.now() >= until) throw error;
        await sleep(retryEvery, undefined, options.signal ? { signal: options.signal } : {}).catch(() =>
          options.signal?.throwIfAborted(),
        );
      }
    }
  }

  async #attempt<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: CallOptions,
  ): Promise<EndpointOutput<E>> {
    const address = await this.locate();
    // The type of a generic endpoint's input cannot show that it has no other parts than these.
    const parts = input as Parts;
    // A route that takes a body gets one, also where all of it may be left out.
    const body = route.body === undefined ? undefined : JSON.stringify(parts.body ?? {});
    const timeout = AbortSignal.timeout(options.timeout ?? defaultTimeout);
    const request = {
      method: route.method,
      path: urlOf(route, parts),
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body,
      signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
    };
    let status: number;
    let text: string;
    try {
      const answer = await send(address, request);
      status = answer.statusCode ?? 0;
      text = await textOf(answer);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw timeout.aborted
        ? unreachable(nameOf(address), "it gave no answer in time", error)
        : connectionFailure(address, error);
    }
    if (status < 200 || status > 299) throw refusal(nameOf(address), status, text);
    if (typeof route.response === "string") return undefined as EndpointOutput<E>;
    const answer = route.response.safeParse(jsonOf(text));
    if (!answer.success)
      throw unreachable(nameOf(address), "what answers there is not this version of Wharf", answer.error);
    // The schema is the endpoint's own, which the type of a generic endpoint cannot show.
    return answer.data as EndpointOutput<E>;
  }
}

/** What an answer that is no success says. */
export function refusal(url: string, status: number, text: string): RemoteError | WharfError {
  const problem = Problem.safeParse(jsonOf(text));
  return problem.success
    ? new RemoteError(problem.data)
    : unreachable(url, `what answers there is no Wharf server: it says ${status}`);
}

export const unreachable = (url: string, reason: string, cause?: unknown): WharfError =>
  new WharfError("server_unreachable", { url, reason }, { cause });

export const isUnreachable = (error: unknown): boolean =>
  error instanceof WharfError && error.code === "server_unreachable";

/** A server that starts again, or whose database does: what was asked may be asked again. */
const isPassing = (error: unknown): boolean =>
  isUnreachable(error) || (error instanceof RemoteError && error.code === "database_unavailable");

/** A connection that could not be made, or that broke. */
export function connectionFailure(address: Address, error: unknown): WharfError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const isRefused = code === "ECONNREFUSED";
  if (address.folder !== undefined && (isRefused || code === "ENOENT")) return unserved(address.folder, error);
  const said = typeof code === "string" ? code : error instanceof Error ? error.message : String(error);
  return unreachable(nameOf(address), isRefused ? "nothing listens there" : said, error);
}

/** Nothing where the text is not JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
