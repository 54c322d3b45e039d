import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { organizationHeader } from "@wharf/contract";
import { connectToFolder } from "@wharf/contract/data-folder";
import { type ClientOptions, WebSocket } from "ws";
import type { ServerAddress } from "./server-address.ts";

export interface OutgoingRequest {
  readonly method: string;
  /** Includes the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Readable | undefined;
  readonly signal: AbortSignal;
}

/** Sends a request to a server, and resolves when its response begins. */
export function sendRequest(
  address: ServerAddress,
  { method, path, headers, body, signal }: OutgoingRequest,
): Promise<IncomingMessage> {
  const url = new URL(address.url + path);
  const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
    method,
    signal,
    headers: { ...headers, ...getIdentity(address) },
    ...getSocketOptions(address),
  });
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    // An error after the beginning of the response also ends the response.
    request.on("error", reject);
    if (body instanceof Readable) pipeline(body, request).catch(reject);
    else request.end(body);
  });
}

/** Creates a WebSocket to a server, not open yet. */
export const createWebSocket = (address: ServerAddress, path: string, options: ClientOptions = {}): WebSocket =>
  new WebSocket(address.url.replace(/^http/, "ws") + path, {
    ...options,
    headers: getIdentity(address),
    maxPayload: 64 * 1024 * 1024,
    ...getSocketOptions(address),
  });

const getIdentity = ({ token, organization }: ServerAddress): Record<string, string> => ({
  ...(token !== undefined && { authorization: `Bearer ${token}` }),
  ...(organization !== undefined && { [organizationHeader]: organization }),
});

const getSocketOptions = ({ folder }: ServerAddress) =>
  folder === undefined ? {} : { createConnection: () => connectToFolder(folder) };
