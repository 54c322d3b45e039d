import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex, Readable } from "node:stream";
import { WharfError } from "@wharf/contract";
import { getConnectionHeaders } from "@wharf/contract/wire";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type ClientAddresses, forwardedHeader } from "./client-addresses.ts";
import { createForwardedHeaders } from "./session-cookie.ts";

export interface PeersOptions {
  /** Returns the address of the server that holds the runner, if that is a different server. */
  readonly findHolder: (runnerId: string) => Promise<string | undefined>;
  readonly clientAddresses: ClientAddresses;
}

/** Another server holds the runner's lease, and only that server has the wire. */
export class HeldElsewhereError extends Error {
  override readonly name = "HeldElsewhere";
  readonly address: string;
  readonly runnerId: string;

  constructor(address: string, runnerId: string) {
    super(`The runner ${runnerId} is held by the server at ${address}.`);
    this.address = address;
    this.runnerId = runnerId;
  }
}

const connectTimeoutMs = 5_000;

/**
 * The other servers of the installation: requests that need a runner's wire are forwarded to the
 * server that has it. They carry the credentials of their sender, and that server checks them
 * again: no server does more for another one than it does for the sender.
 */
export class Peers {
  readonly #options: PeersOptions;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Throws if another server holds the runner. */
  async requireLocalRunner(runnerId: string): Promise<void> {
    const address = await this.#options.findHolder(runnerId);
    if (address !== undefined) throw new HeldElsewhereError(address, runnerId);
  }

  /** Forwards a request and streams the answer back. */
  async forwardRequest(holder: HeldElsewhereError, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    refuseSecondHop(holder, request.raw);
    const isParsed = request.body !== undefined && request.body !== null;
    const body = isParsed ? Buffer.from(JSON.stringify(request.body)) : undefined;
    const headers = this.#createHeaders(holder, request.raw);
    if (body) headers["content-length"] = body.length;
    const answer = await this.#sendRequest(holder, { message: request.raw, headers, body: body ?? request.raw });
    const connectionHeaders = getConnectionHeaders(answer.headers.connection);
    for (const [name, value] of Object.entries(answer.headers))
      if (value !== undefined && !connectionHeaders.has(name)) void reply.header(name, value);
    reply.raw.once("close", () => answer.destroy());
    await reply.status(answer.statusCode ?? 502).send(answer);
  }

  /** Forwards an upgrade, and joins the two sockets when the other server has accepted it. */
  async forwardUpgrade(
    holder: HeldElsewhereError,
    { message, socket, head }: { message: IncomingMessage; socket: Duplex; head: Buffer },
  ): Promise<void> {
    refuseSecondHop(holder, message);
    const { connection, upgrade } = message.headers;
    const headers = { ...this.#createHeaders(holder, message), connection, upgrade };
    const peerRequest = this.#createRequest(holder, message, headers);
    const joined = Promise.withResolvers<void>();
    peerRequest.once("error", (cause) => joined.reject(createUnreachableError(holder, cause)));
    peerRequest.once("response", (answer) => {
      socket.write(formatHead(answer));
      answer.pipe(socket);
      joined.resolve();
    });
    peerRequest.once("upgrade", (answer, peerSocket, first) => {
      socket.write(formatHead(answer));
      if (first.length > 0) socket.write(first);
      if (head.length > 0) peerSocket.write(head);
      peerSocket.once("error", () => socket.destroy()).once("close", () => socket.destroy());
      socket.once("close", () => peerSocket.destroy());
      socket.pipe(peerSocket).pipe(socket);
      joined.resolve();
    });
    peerRequest.end();
    await joined.promise;
  }

  async #sendRequest(
    holder: HeldElsewhereError,
    { message, headers, body }: { message: IncomingMessage; headers: OutgoingHttpHeaders; body: Buffer | Readable },
  ): Promise<IncomingMessage> {
    const peerRequest = this.#createRequest(holder, message, headers);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    peerRequest.once("response", resolve).once("error", (cause) => reject(createUnreachableError(holder, cause)));
    message.once("close", () => {
      if (!message.complete) peerRequest.destroy();
    });
    if (Buffer.isBuffer(body)) peerRequest.end(body);
    else body.pipe(peerRequest);
    return promise;
  }

  #createRequest(holder: HeldElsewhereError, { method, url }: IncomingMessage, headers: OutgoingHttpHeaders) {
    const target = new URL(url ?? "/", holder.address);
    const open = target.protocol === "https:" ? httpsRequest : httpRequest;
    const peerRequest = open(target, { method, headers, agent: false });
    peerRequest.setTimeout(connectTimeoutMs, () => {
      if (!peerRequest.socket || peerRequest.socket.connecting) peerRequest.destroy(new Error("it does not respond"));
    });
    return peerRequest;
  }

  #createHeaders(holder: HeldElsewhereError, message: IncomingMessage): OutgoingHttpHeaders {
    const { headers } = message;
    const dropped = new Set([...getConnectionHeaders(headers.connection), "host", "origin", "cookie"]);
    const forwardedEntries = Object.entries(headers).filter(([name]) => !dropped.has(name));
    return {
      ...Object.fromEntries(forwardedEntries),
      ...createForwardedHeaders(headers, new URL(holder.address)),
      ...this.#options.clientAddresses.createForwardedHeader(message),
    };
  }
}

/** The lease has just moved on: the client retries, and by then the servers agree. */
function refuseSecondHop(holder: HeldElsewhereError, { headers }: IncomingMessage): void {
  if (headers[forwardedHeader] === undefined) return;
  const reason = "another server is taking it over";
  throw new WharfError("runner_unavailable", { runner_id: holder.runnerId, reason });
}

const createUnreachableError = (holder: HeldElsewhereError, cause: Error) =>
  new WharfError(
    "runner_unavailable",
    {
      runner_id: holder.runnerId,
      reason: `the server that holds it (${holder.address}) does not respond: ${cause.message}`,
    },
    { cause },
  );

function formatHead({ statusCode = 502, statusMessage = "", rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
