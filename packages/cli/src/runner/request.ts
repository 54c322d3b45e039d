import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { json, text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type Endpoint, type EndpointInput, getEndpointUrl, WharfError } from "@wharf/contract";
import { createUsageError } from "../failure.ts";
import { toAccessEnd } from "../server/access-end.ts";
import { createUnreachableError, getQuotaDelayMs, toConnectionError, toServerError } from "../server/client.ts";
import { type LocateServer, getServerName } from "../server/server-address.ts";
import { sendRequest } from "../server/transport.ts";

export interface RequestOptions {
  readonly signal: AbortSignal;
  /** Provides bytes to stream instead of JSON. */
  readonly upload?: Readable | undefined;
  /** Holds the length of the upload in bytes, if it is known. */
  readonly length?: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * A call that needs the same access: if the connection breaks, its refusal is the reason. A route
   * that only reads is called again by default.
   */
  readonly check?: () => Promise<unknown>;
}

interface RequestParts {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

/** Represents a response that has begun. */
export interface StreamedAnswer {
  readonly serverName: string;
  readonly message: IncomingMessage;
  json(): Promise<unknown>;
  /** Calls the server again, to learn why a connection broke. */
  check(): Promise<unknown>;
}

/** Requests a route whose response or body is streamed. Unsuccessful responses throw. */
export async function requestStream<E extends Endpoint>(
  locate: LocateServer,
  route: E,
  input: EndpointInput<E>,
  options: RequestOptions,
): Promise<StreamedAnswer> {
  for (;;) {
    try {
      return await requestOnce(locate, route, input, options);
    } catch (error) {
      const delayMs = options.upload === undefined ? getQuotaDelayMs(error) : undefined;
      if (delayMs === undefined) throw error;
      await sleep(delayMs, undefined, { signal: options.signal }).catch(() => options.signal.throwIfAborted());
    }
  }
}

async function requestOnce<E extends Endpoint>(
  locate: LocateServer,
  route: E,
  input: EndpointInput<E>,
  { signal, upload, length, headers: ownHeaders, check }: RequestOptions,
): Promise<StreamedAnswer> {
  const address = await locate();
  const serverName = getServerName(address);
  // The input type of a generic endpoint cannot show that it has no other parts than these.
  const parts = input as RequestParts;
  const body = upload ?? (parts.body === undefined ? undefined : JSON.stringify(parts.body));
  const headers = {
    ...ownHeaders,
    ...(upload && { "content-type": "application/octet-stream" }),
    ...(typeof body === "string" && { "content-type": "application/json" }),
    ...(length !== undefined && { "content-length": String(length) }),
  };
  const requestBody = upload && length !== undefined ? Readable.from(readExactLength(upload, length)) : body;
  const path = getEndpointUrl(route, parts);
  const message = await sendRequest(address, { method: route.method, path, headers, body: requestBody, signal }).catch(
    async (error: unknown) => {
      signal.throwIfAborted();
      if (error instanceof WharfError) throw error;
      throw (upload && check && (await findAccessEnd(check))) ?? toConnectionError(address, error);
    },
  );
  const status = message.statusCode ?? 0;
  if (status < 200 || status > 299) throw toServerError(serverName, status, await text(message));
  const repeat = async () => {
    const again = await sendRequest(address, { method: route.method, path, headers, body: undefined, signal });
    if (again.statusCode !== undefined && again.statusCode >= 400)
      throw toServerError(serverName, again.statusCode, await text(again));
    again.destroy();
  };
  const checkAgain = check ?? (route.method === "GET" ? repeat : async () => undefined);
  return { serverName, message, json: () => json(message), check: checkAgain };
}

/** Returns the error of a reader whom the server no longer admits. */
const findAccessEnd = (check: () => Promise<unknown>): Promise<WharfError | undefined> =>
  check().then(() => undefined, toAccessEnd);

/** A file that changes during the read would leave the server waiting, or with a broken request. */
async function* readExactLength(upload: Readable, length: number): AsyncGenerator<Buffer, void, undefined> {
  let sentBytes = 0;
  for await (const piece of upload) {
    const bytes = Buffer.from(piece);
    sentBytes += bytes.length;
    if (sentBytes > length) break;
    yield bytes;
  }
  if (sentBytes !== length) throw createUsageError("the file changed while it was read");
}

/** Yields the body's pieces. A cut body throws. */
export async function* readPieces(
  { serverName, message, check }: StreamedAnswer,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const piece of message) yield Buffer.from(piece);
  } catch (error) {
    signal.throwIfAborted();
    const accessEnd = await findAccessEnd(check);
    throw accessEnd ?? createUnreachableError(serverName, "the connection broke during the answer", error);
  }
}
