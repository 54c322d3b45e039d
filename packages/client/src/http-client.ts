import { readError, WharfConnectionError, WharfError } from "./errors.ts";
import { readLines } from "./lines.ts";
import { parseServerSentEvents } from "./server-sent-events.ts";

export interface WharfOptions {
  /** The server, such as `http://127.0.0.1:7420`. */
  readonly url: string;
  /**
   * An access token, or a function that returns the current one. Pages of the server itself need
   * none: they send the cookie of the login.
   */
  readonly token?: string | (() => string | Promise<string>);
  /** One of your organizations, by id or short name, if the token is not for a single one. */
  readonly organization?: string;
  /** Sends the requests. @default the global `fetch` */
  readonly fetch?: typeof fetch;
  /** How often a request is sent again that the server may not have received. @default 3 */
  readonly maxRetries?: number;
}

export interface CallOptions {
  /** Ends the call. */
  readonly signal?: AbortSignal;
  /** How long the beginning of the answer may take. @default 60_000 */
  readonly timeoutMs?: number;
  /**
   * Names a request that may be sent again without a second effect.
   * @default a new one for each call
   */
  readonly idempotencyKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Call {
  readonly method: string;
  /** A path without a query. */
  readonly path: string;
  readonly query?: object | undefined;
  readonly body?: unknown;
  /** The content type of a body that is not JSON. */
  readonly bodyType?: string;
  /** Whether the server recognises a repeated request by its key. */
  readonly hasKey?: boolean;
  readonly options?: CallOptions | undefined;
}

const defaultTimeoutMs = 60_000;
const defaultRetries = 3;
const firstDelayMs = 250;
const maxDelayMs = 10_000;
/** An error that passes later than this is thrown at once. */
const maxRetryAfterMs = 60_000;
/** These methods have the same effect when they are repeated. */
const repeatableMethods: readonly string[] = ["GET", "PUT", "DELETE"];
/** Codes of errors that pass by themselves. */
const passingCodes: readonly string[] = ["database_unavailable", "rate_limited", "too_many_requests"];

/** Sends requests, repeats them where that is safe, and converts their answers. */
export class HttpClient {
  readonly #options: WharfOptions;

  constructor(options: WharfOptions) {
    this.#options = options;
  }

  /** Returns the JSON of an answer. */
  async json<T>(call: Call): Promise<T> {
    const answer = await this.raw(call);
    try {
      // The server checks its answers against the same schemas.
      return (await answer.json()) as T;
    } catch (cause) {
      throw new WharfConnectionError("The answer ended early, or is not JSON.", { cause });
    }
  }

  /** Waits for an answer without content. */
  async none(call: Call): Promise<void> {
    const answer = await this.raw(call);
    await answer.body?.cancel();
  }

  /** Yields the items of all pages of a list, which is the field `name` of each page. */
  async *pages<Item>(call: Call, name: string): AsyncGenerator<Item, void, undefined> {
    let cursor: unknown;
    do {
      const query = { ...call.query, ...(cursor !== undefined && { cursor }) };
      const page = await this.json<Readonly<Record<string, unknown>>>({ ...call, query });
      yield* page[name] as readonly Item[];
      cursor = page["next_cursor"];
    } while (cursor !== undefined);
  }

  /** Yields the JSON of each line of an answer. */
  async *lines<T>(call: Call): AsyncGenerator<T, void, undefined> {
    const answer = await this.raw(call);
    // Empty lines keep a connection open.
    for await (const line of readLines(answer)) if (line !== "") yield JSON.parse(line) as T;
  }

  /**
   * Yields server-sent events. A broken connection is opened again after the last event, so that
   * none is missing and none comes twice.
   */
  async *events<T>(call: Call): AsyncGenerator<T, void, undefined> {
    const signal = call.options?.signal;
    const isAborted = () => signal?.aborted === true;
    let lastEventId: string | undefined;
    let isConnected = false;
    for (let attempt = 0; !isAborted(); attempt++) {
      try {
        const headers = {
          ...call.options?.headers,
          ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
        };
        const answer = await this.raw({ ...call, options: { ...call.options, headers } });
        isConnected = true;
        for await (const { id, data } of parseServerSentEvents(readLines(answer))) {
          attempt = 0;
          if (id !== undefined) lastEventId = id;
          if (data !== "") yield JSON.parse(data) as T;
        }
      } catch (error) {
        if (isAborted() || !isConnected || error instanceof WharfError) throw error;
      }
      await wait(getDelay(attempt), signal);
    }
  }

  /** Returns an answer whose content the caller reads. */
  async raw(call: Call): Promise<Response> {
    const { method, hasKey = false, body, bodyType } = call;
    const isStream = bodyType !== undefined && typeof body === "object" && body instanceof ReadableStream;
    const isRepeatable = !isStream && (repeatableMethods.includes(method) || hasKey);
    const { maxRetries = defaultRetries } = this.#options;
    const key = method === "POST" && hasKey ? (call.options?.idempotencyKey ?? createKey()) : undefined;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#send(call, key);
      } catch (error) {
        call.options?.signal?.throwIfAborted();
        if (attempt >= maxRetries || !isPassing(error, isRepeatable)) throw error;
        await wait(getDelay(attempt, error), call.options?.signal);
      }
    }
  }

  async #send(call: Call, key: string | undefined): Promise<Response> {
    const { method, path, query, body, bodyType = "application/json", options = {} } = call;
    const { url, organization, fetch: send = fetch } = this.#options;
    const token = await this.#getToken();
    const begin = new AbortController();
    const timer = setTimeout(() => begin.abort(new Error("no answer")), options.timeoutMs ?? defaultTimeoutMs);
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(organization !== undefined && { "x-wharf-organization": organization }),
      ...(body !== undefined && { "content-type": bodyType }),
      ...(key !== undefined && { "idempotency-key": key }),
      ...options.headers,
    };
    try {
      const answer = await send(`${url.replace(/\/+$/, "")}${path}${formatQuery(query)}`, {
        method,
        headers,
        ...(body !== undefined && {
          body: (bodyType === "application/json" ? JSON.stringify(body) : body) as NonNullable<RequestInit["body"]>,
        }),
        ...(typeof ReadableStream === "function" && body instanceof ReadableStream && { duplex: "half" }),
        signal: options.signal ? AbortSignal.any([options.signal, begin.signal]) : begin.signal,
      });
      if (!answer.ok) throw await readError(answer);
      return answer;
    } catch (cause) {
      if (cause instanceof WharfError || cause instanceof WharfConnectionError) throw cause;
      options.signal?.throwIfAborted();
      throw new WharfConnectionError(`The server at ${url} does not answer.`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  async #getToken(): Promise<string | undefined> {
    const { token } = this.#options;
    return typeof token === "function" ? token() : token;
  }
}

function isPassing(error: unknown, isRepeatable: boolean): boolean {
  if (error instanceof WharfConnectionError) return isRepeatable;
  if ((getRetryAfterMs(error) ?? 0) > maxRetryAfterMs) return false;
  return error instanceof WharfError && passingCodes.includes(error.code) && (isRepeatable || error.status === 429);
}

const getDelay = (attempt: number, error?: unknown): number =>
  getRetryAfterMs(error) ?? Math.min(firstDelayMs * 2 ** Math.min(attempt, 10), maxDelayMs);

function getRetryAfterMs(error: unknown): number | undefined {
  const seconds = error instanceof WharfError ? error.context["retry_after_s"] : undefined;
  return typeof seconds === "number" ? seconds * 1000 : undefined;
}

function formatQuery(query: object = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) search.append(name, String(one));
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

/** `crypto.randomUUID` exists only on encrypted pages. */
const createKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
