import type { Readable } from "node:stream";
import { type Endpoint, type EndpointInput, urlOf } from "@wharf/contract";
import { refusal, unreachable } from "../client.ts";
import type { Locate } from "../locate.ts";

export interface RequestOptions {
  readonly signal: AbortSignal;
  /** Bytes that are sent as they come, instead of JSON. */
  readonly upload?: Readable | undefined;
  /** How long they are, where that is known. */
  readonly length?: number | undefined;
}

interface Parts {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

/** Asks a route whose answer, or whose body, is read as it comes. What is no success is thrown. */
export async function request<E extends Endpoint>(
  locate: Locate,
  route: E,
  input: EndpointInput<E>,
  { signal, upload, length }: RequestOptions,
): Promise<Response> {
  const { url, token } = await locate();
  // The type of a generic endpoint's input cannot show that it has no other parts than these.
  const parts = input as Parts;
  const json = parts.body === undefined ? undefined : JSON.stringify(parts.body);
  const init: RequestInit & { duplex?: "half" } = {
    method: route.method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(json !== undefined && { "content-type": "application/json" }),
      ...(upload && { "content-type": "application/octet-stream" }),
      ...(length !== undefined && { "content-length": String(length) }),
    },
    ...(json !== undefined && { body: json }),
    ...(upload && { body: ReadableStream.from(upload), duplex: "half" }),
    signal,
  };
  let response: Response;
  try {
    response = await fetch(url + urlOf(route, parts), init);
  } catch (error) {
    signal.throwIfAborted();
    throw unreachable(url, error instanceof Error ? causeOf(error) : String(error), error);
  }
  if (!response.ok) throw refusal(url, response.status, await response.text());
  return response;
}

const causeOf = (error: Error): string =>
  error.cause instanceof Error && "code" in error.cause ? String(error.cause.code) : error.message;

/** The body's pieces. One that was cut fails. */
export async function* piecesOf(response: Response, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  if (!response.body) return;
  try {
    for await (const piece of response.body) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  } catch (error) {
    signal.throwIfAborted();
    throw unreachable(new URL(response.url).origin, "the connection was cut in the middle of the answer", error);
  }
}
