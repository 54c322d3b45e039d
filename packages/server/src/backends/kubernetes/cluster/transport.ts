import { request as sendPlain } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { Agent, request as send, type RequestOptions } from "node:https";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeConfig, RequestContext, ResponseContext } from "@kubernetes/client-node";
import { type ApiCall, parseApiCall } from "./api-call.ts";
import { ApiFailure, ApiUnreachable } from "./api-failure.ts";

/** Each request may take this long, including its retries and pauses. */
const requestTimeoutMs = 60_000;
/**
 * An API server that restarts is unavailable for about this long; every call here is safe to send
 * twice.
 */
const maxOutageMs = 15_000;
const minRetryDelayMs = 100;
const maxRetryDelayMs = 2_000;

interface ApiResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface TransportOptions {
  readonly config: KubeConfig;
  /** Holds the client's response class, which exists only once the client is loaded. */
  readonly Response: new (
    status: number,
    headers: Record<string, string>,
    body: { text(): Promise<string>; binary(): Promise<Buffer>; stream(): null },
  ) => ResponseContext;
  /** Decides which calls may be sent. */
  readonly allows: (call: ApiCall) => boolean;
  /** Receives every call that is sent. */
  readonly onCall?: (call: ApiCall) => void;
}

/**
 * Carries the client's requests to the API server over persistent connections. It waits as long as
 * a throttling server asks, retries while the server is unavailable, and refuses to send what no
 * role would allow.
 */
export class Transport {
  readonly #options: TransportOptions;
  #cachedAgent: { readonly agent: Agent; readonly credentials: string } | undefined;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  async send(request: RequestContext): Promise<ResponseContext> {
    const call = parseApiCall(request.getHttpMethod(), request.getUrl());
    if (!this.#options.allows(call))
      throw new Error(`no role grants the verb ${call.verb} on ${call.resource} of group '${call.group}'`);
    // Send every patch as a list of operations: a merge would leave keys that are no longer wanted.
    if (call.verb === "patch") request.setHeaderParam("Content-Type", "application/json-patch+json");
    const { status, headers, body } = await this.#sendWithRetries(call, request);
    const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    return new this.#options.Response(status, flat, {
      text: async () => body.toString("utf8"),
      binary: async () => body,
      stream: () => null,
    });
  }

  close(): void {
    this.#cachedAgent?.agent.destroy();
  }

  async #sendWithRetries(call: ApiCall, request: RequestContext): Promise<ApiResponse> {
    const started = performance.now();
    for (let pause = minRetryDelayMs; ; pause = Math.min(pause * 2, maxRetryDelayMs)) {
      const remainingMs = requestTimeoutMs - (performance.now() - started);
      const failure = await this.#sendOnce(call, request, remainingMs).then(
        (answer) => (answer.status < 400 ? answer : toApiFailure(call, answer)),
        (error: unknown) => new ApiUnreachable(call, error),
      );
      if (!(failure instanceof Error)) return failure;
      const spent = performance.now() - started;
      const wait = getRetryDelayMs(failure, pause, spent);
      if (wait === undefined || spent + wait > requestTimeoutMs) throw failure;
      await sleep(wait);
    }
  }

  async #sendOnce(call: ApiCall, request: RequestContext, timeout: number): Promise<ApiResponse> {
    this.#options.onCall?.(call);
    const address = new URL(request.getUrl());
    const credentials: RequestOptions = {};
    await this.#options.config.applyToHTTPSOptions(credentials);
    const requestBody = request.getBody();
    const body = typeof requestBody === "string" ? Buffer.from(requestBody) : undefined;
    const options: RequestOptions = {
      method: request.getHttpMethod(),
      headers: {
        ...request.getHeaders(),
        ...getHeaders(credentials),
        // Node omits it for a DELETE, and the server then takes the body for the next request.
        ...(body && { "content-length": String(body.length) }),
      },
      ...(credentials.auth && { auth: credentials.auth }),
      agent: this.#getAgent(credentials),
      signal: AbortSignal.timeout(Math.max(1, Math.ceil(timeout))),
    };
    const { promise, resolve, reject } = Promise.withResolvers<ApiResponse>();
    const outgoing = (address.protocol === "http:" ? sendPlain : send)(address, options, (incoming) => {
      buffer(incoming).then(
        (content) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: content }),
        reject,
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
    return promise;
  }

  /**
   * Keeps the client's agent if it is a proxy's, and replaces any other with one that keeps its
   * connections.
   */
  #getAgent({ agent, ca, cert, key, rejectUnauthorized, servername }: RequestOptions): RequestOptions["agent"] {
    const plain = agent instanceof Agent && Object.getPrototypeOf(agent) === Agent.prototype;
    if (!plain) return agent;
    const tls = { ca, cert, key, servername, rejectUnauthorized };
    const credentials = JSON.stringify(tls, (_, value: unknown) => (value === undefined ? null : value));
    if (this.#cachedAgent?.credentials !== credentials) {
      this.#cachedAgent?.agent.destroy();
      const definedOptions = Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
      this.#cachedAgent = { credentials, agent: new Agent({ ...definedOptions, keepAlive: true, maxSockets: 16 }) };
    }
    return this.#cachedAgent.agent;
  }
}

function toApiFailure(call: ApiCall, { status, headers, body }: ApiResponse): ApiFailure {
  return new ApiFailure(call, { status, body: body.toString("utf8"), retryAfter: headers["retry-after"] });
}

/** Returns the delay before the next retry, or undefined if a retry is useless. */
function getRetryDelayMs(failure: ApiFailure | ApiUnreachable, pause: number, spent: number): number | undefined {
  const chance = pause * (0.5 + Math.random() / 2);
  if (failure instanceof ApiUnreachable) return spent < maxOutageMs && isOutage(failure) ? chance : undefined;
  if (failure.status === 429) return failure.retryAfterMs ?? chance;
  // The API server is starting, or has just lost its store. A node's failure through the proxy is
  // the node's own answer.
  if (failure.status >= 500 && failure.call.resource !== "nodes/proxy" && spent < maxOutageMs)
    return failure.retryAfterMs ?? chance;
  return undefined;
}

const outageCodes = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH"]);
function isOutage({ cause }: ApiUnreachable): boolean {
  return cause instanceof Error && "code" in cause && outageCodes.has(String(cause.code));
}

function getHeaders({ headers }: RequestOptions): Record<string, string> {
  if (headers === undefined || Array.isArray(headers)) return {};
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
