import { getEndpointUrl } from "../endpoint.ts";
import type { Endpoint, EndpointInput, EndpointOutput } from "../endpoint.ts";
import { toStorable } from "../foreign-text.ts";
import { WireProtocolError } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import type { RawRequest, RawResponse } from "./exchange.ts";
import { maxProblemBytes, toRunnerFailure } from "./failure.ts";
import { WireAgent } from "./http.ts";
import { parseJson } from "./json.ts";
import { Mux } from "./mux.ts";
import { readNdjsonLines } from "./ndjson.ts";

export interface WireClientOptions {
  /** The runner id appears in every error. */
  readonly runnerId: string;
  /** The timeout of a call, and of the wait for any other answer to begin. */
  readonly timeoutMs?: number;
  /**
   * A larger answer to a call is hostile. Answers that carry no content are limited to 1 MiB in any
   * case.
   */
  readonly maxBytes?: number;
  /** A longer line of a stream is hostile too. */
  readonly maxLineBytes?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface StreamOptions extends CallOptions {
  /** Ends a stream that receives nothing, not even an empty line, for this long. */
  readonly idleTimeoutMs?: number | undefined;
}

/**
 * Calls the routes of a peer over its wire. Every error is a WharfError or a RemoteError, or the
 * signal's own reason. The peer is not trusted: the client cleans its errors, and also the texts of
 * its answers unless the route carries content.
 */
export interface WireClient {
  call<E extends Endpoint>(endpoint: E, input: EndpointInput<E>, options?: CallOptions): Promise<EndpointOutput<E>>;
  /**
   * Yields the lines of a streamed answer, parsed as JSON but not validated. A truncated answer
   * ends with an error.
   */
  stream<E extends Endpoint>(
    endpoint: E,
    input: EndpointInput<E>,
    options?: StreamOptions,
  ): AsyncGenerator<unknown, void, undefined>;
  /**
   * Sends any request and returns its answer regardless of the status. `timeoutMs` limits the time
   * until the answer begins.
   */
  request(request: RawRequest): Promise<RawResponse>;
}

const defaultTimeoutMs = 30_000;
const maxAnswerBytes = 64 * 1024 * 1024;
const defaultMaxLineBytes = 16 * 1024 * 1024;
/**
 * This limit fits every answer that describes something, and is too small to fill a row of the
 * database.
 */
const maxPlainBytes = 1024 * 1024;

export function createWireClient(wire: Mux | WireAgent, options: WireClientOptions): WireClient {
  const caller = { agent: wire instanceof Mux ? new WireAgent(wire) : wire, runnerId: options.runnerId };
  const { timeoutMs = defaultTimeoutMs, maxBytes = maxAnswerBytes, maxLineBytes = defaultMaxLineBytes } = options;
  const createExchange = (raw: RawRequest) => new Exchange(caller, { ...raw, timeoutMs: raw.timeoutMs ?? timeoutMs });

  return {
    async call(endpoint, input, callOptions) {
      using exchange = createExchange({ ...toRawRequest(endpoint, input), ...callOptions });
      await requireSuccess(exchange);
      const limit = endpoint.carriesContent ? maxBytes : Math.min(maxBytes, maxPlainBytes);
      return parseAnswer(exchange, endpoint, await exchange.readBody(limit));
    },

    async *stream(endpoint, input, streamOptions) {
      using exchange = createExchange({ ...toRawRequest(endpoint, input), ...streamOptions });
      await requireSuccess(exchange);
      try {
        for await (const line of readNdjsonLines(exchange.readPieces(streamOptions?.idleTimeoutMs), maxLineBytes)) {
          const value = parseJson(line);
          if (value === undefined) throw new WireProtocolError("a line that is not JSON");
          yield value;
        }
      } catch (error) {
        throw exchange.toCallerError(error);
      }
    },

    async request(raw) {
      const exchange = createExchange(raw);
      try {
        const body = await exchange.response;
        exchange.release(body);
        return { status: body.statusCode ?? 0, headers: body.headers, body };
      } catch (error) {
        exchange[Symbol.dispose]();
        throw error;
      }
    },
  };
}

interface RequestParts {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

function toRawRequest<E extends Endpoint>(endpoint: E, input: EndpointInput<E>): RawRequest {
  const parts: RequestParts = input as RequestParts;
  const route = { method: endpoint.method, path: getEndpointUrl(endpoint, parts) };
  if (parts.body === undefined) return route;
  const body = Buffer.from(JSON.stringify(parts.body));
  return { ...route, body, headers: { "content-type": "application/json", "content-length": body.length } };
}

async function requireSuccess(exchange: Exchange): Promise<void> {
  const { statusCode = 0 } = await exchange.response;
  if (statusCode >= 200 && statusCode < 300) return;
  throw toRunnerFailure(await exchange.readBody(maxProblemBytes), (why) =>
    exchange.createHostileError(`${exchange.name}: status ${statusCode} ${why}`),
  );
}

function parseAnswer<E extends Endpoint>(exchange: Exchange, endpoint: E, text: string): EndpointOutput<E> {
  const { response, carriesContent = false } = endpoint;
  const value = parseJson(text);
  const answer =
    typeof response === "string" ? undefined : response.safeParse(carriesContent ? value : toStorable(value));
  if (answer && !answer.success)
    throw exchange.createHostileError(`${exchange.name}: an answer that is not valid`, answer.error);
  // The endpoint's schema has validated the data, which the type of a generic endpoint cannot
  // express.
  return answer?.data as EndpointOutput<E>;
}
