import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { json, text } from "node:stream/consumers";
import { type Endpoint, type EndpointInput, urlOf, WharfError } from "@wharf/contract";
import { connectionFailure, refusal, unreachable } from "../client.ts";
import { usageError } from "../failure.ts";
import { type Locate, nameOf } from "../locate.ts";
import { send } from "../transport.ts";

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

/** An answer that has begun. */
export interface Answer {
  readonly from: string;
  readonly message: IncomingMessage;
  json(): Promise<unknown>;
}

/** Asks a route whose answer, or whose body, is read as it comes. What is no success is thrown. */
export async function request<E extends Endpoint>(
  locate: Locate,
  route: E,
  input: EndpointInput<E>,
  { signal, upload, length }: RequestOptions,
): Promise<Answer> {
  const address = await locate();
  const from = nameOf(address);
  // The type of a generic endpoint's input cannot show that it has no other parts than these.
  const parts = input as Parts;
  const body = upload ?? (parts.body === undefined ? undefined : JSON.stringify(parts.body));
  const headers = {
    ...(upload && { "content-type": "application/octet-stream" }),
    ...(typeof body === "string" && { "content-type": "application/json" }),
    ...(length !== undefined && { "content-length": String(length) }),
  };
  const sized = upload && length !== undefined ? Readable.from(exactly(upload, length)) : body;
  const path = urlOf(route, parts);
  const message = await send(address, { method: route.method, path, headers, body: sized, signal }).catch(
    (error: unknown) => {
      signal.throwIfAborted();
      throw error instanceof WharfError ? error : connectionFailure(address, error);
    },
  );
  const status = message.statusCode ?? 0;
  if (status < 200 || status > 299) throw refusal(from, status, await text(message));
  return { from, message, json: () => json(message) };
}

/** A file that changes while it is read would leave the server waiting, or with a broken request. */
async function* exactly(upload: Readable, length: number): AsyncGenerator<Buffer, void, undefined> {
  let sent = 0;
  for await (const piece of upload) {
    const bytes = Buffer.from(piece);
    sent += bytes.length;
    if (sent > length) break;
    yield bytes;
  }
  if (sent !== length) throw usageError("the file changed while it was read");
}

/** The body's pieces. One that was cut fails. */
export async function* piecesOf(
  { from, message }: Answer,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const piece of message) yield Buffer.from(piece);
  } catch (error) {
    signal.throwIfAborted();
    throw unreachable(from, "the connection was cut in the middle of the answer", error);
  }
}
