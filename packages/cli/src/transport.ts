import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { connectToFolder } from "@wharf/contract/data-folder";
import { type ClientOptions, WebSocket } from "ws";
import type { Address } from "./locate.ts";

export interface Outgoing {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Readable | undefined;
  readonly signal: AbortSignal;
}

/** Sends a request to a server, and resolves when its answer begins. */
export function send(address: Address, { method, path, headers, body, signal }: Outgoing): Promise<IncomingMessage> {
  const url = new URL(address.url + path);
  const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
    method,
    signal,
    headers: { ...headers, ...authorization(address) },
    ...socketOf(address),
  });
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    // What comes after the answer began ends the answer too.
    request.on("error", reject);
    if (body instanceof Readable) pipeline(body, request).catch(reject);
    else request.end(body);
  });
}

/** A WebSocket to a server, not open yet. */
export const openWebSocket = (address: Address, path: string, options: ClientOptions = {}): WebSocket =>
  new WebSocket(address.url.replace(/^http/, "ws") + path, {
    ...options,
    headers: authorization(address),
    maxPayload: 64 * 1024 * 1024,
    ...socketOf(address),
  });

const authorization = ({ token }: Address): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

const socketOf = ({ folder }: Address) =>
  folder === undefined ? {} : { createConnection: () => connectToFolder(folder) };
