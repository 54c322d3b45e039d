import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex, Readable } from "node:stream";
import { WharfError } from "@wharf/contract";
import type { FastifyReply, FastifyRequest } from "fastify";

/** Says that a server sent the request on; the receiver answers it or refuses it, and never sends it on again. */
export const forwardedHeader = "x-wharf-forwarded";

export interface PeersOptions {
  /** Where the server that holds the runner answers, if that is another one. */
  readonly findHolder: (runnerId: string) => Promise<string | undefined>;
  /** What servers of one installation show each other. */
  readonly token: string;
}

/** Another server holds the runner's lease, and only it has the wire. */
export class HeldElsewhere extends Error {
  override readonly name = "HeldElsewhere";
  readonly address: string;
  readonly runnerId: string;

  constructor(address: string, runnerId: string) {
    super(`The runner ${runnerId} is held by the server at ${address}.`);
    this.address = address;
    this.runnerId = runnerId;
  }
}

const hopHeaders = new Set(["connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"]);
const connectMs = 5_000;

/** The other servers of the installation: requests that need a runner's wire are sent on to the one that has it. */
export class Peers {
  readonly #options: PeersOptions;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Throws where another server holds the runner. */
  async requireHere(runnerId: string): Promise<void> {
    const address = await this.#options.findHolder(runnerId);
    if (address !== undefined) throw new HeldElsewhere(address, runnerId);
  }

  /** Sends a request on and hands the answer back as it comes. */
  async forward(held: HeldElsewhere, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    refuseSecondHop(held, request.raw);
    const isParsed = request.body !== undefined && request.body !== null;
    const body = isParsed ? Buffer.from(JSON.stringify(request.body)) : undefined;
    const headers = this.#headers(request.raw);
    if (body) headers["content-length"] = body.length;
    const answer = await this.#send(held, { message: request.raw, headers, body: body ?? request.raw });
    for (const [name, value] of Object.entries(answer.headers))
      if (value !== undefined && !hopHeaders.has(name)) void reply.header(name, value);
    reply.raw.once("close", () => answer.destroy());
    await reply.status(answer.statusCode ?? 502).send(answer);
  }

  /** Sends an upgrade on, and joins the two sockets when the other server has accepted it. */
  async forwardUpgrade(
    held: HeldElsewhere,
    { message, socket, head }: { message: IncomingMessage; socket: Duplex; head: Buffer },
  ): Promise<void> {
    refuseSecondHop(held, message);
    const { connection, upgrade } = message.headers;
    const headers = { ...this.#headers(message), connection, upgrade };
    const sent = this.#request(held, message, headers);
    const joined = Promise.withResolvers<void>();
    sent.once("error", (cause) => joined.reject(unreachable(held, cause)));
    sent.once("response", (answer) => {
      socket.write(formatHead(answer));
      answer.pipe(socket);
      joined.resolve();
    });
    sent.once("upgrade", (answer, other, first) => {
      socket.write(formatHead(answer));
      if (first.length > 0) socket.write(first);
      if (head.length > 0) other.write(head);
      other.once("error", () => socket.destroy()).once("close", () => socket.destroy());
      socket.once("close", () => other.destroy());
      socket.pipe(other).pipe(socket);
      joined.resolve();
    });
    sent.end();
    await joined.promise;
  }

  async #send(
    held: HeldElsewhere,
    { message, headers, body }: { message: IncomingMessage; headers: OutgoingHttpHeaders; body: Buffer | Readable },
  ): Promise<IncomingMessage> {
    const sent = this.#request(held, message, headers);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    sent.once("response", resolve).once("error", (cause) => reject(unreachable(held, cause)));
    message.once("close", () => {
      if (!message.complete) sent.destroy();
    });
    if (Buffer.isBuffer(body)) sent.end(body);
    else body.pipe(sent);
    return promise;
  }

  #request(held: HeldElsewhere, { method, url }: IncomingMessage, headers: OutgoingHttpHeaders) {
    const target = new URL(url ?? "/", held.address);
    const open = target.protocol === "https:" ? httpsRequest : httpRequest;
    const sent = open(target, { method, headers, agent: false });
    sent.setTimeout(connectMs, () => {
      if (!sent.socket || sent.socket.connecting) sent.destroy(new Error("it does not answer"));
    });
    return sent;
  }

  #headers({ headers }: IncomingMessage): OutgoingHttpHeaders {
    const kept = Object.entries(headers).filter(([name]) => !hopHeaders.has(name) && name !== "origin");
    const { token } = this.#options;
    return { ...Object.fromEntries(kept), authorization: `Bearer ${token}`, [forwardedHeader]: "1" };
  }
}

/** The lease has just moved on: the client asks again, and by then the servers agree. */
function refuseSecondHop(held: HeldElsewhere, { headers }: IncomingMessage): void {
  if (headers[forwardedHeader] === undefined) return;
  const reason = "another server is about to take it over";
  throw new WharfError("runner_unavailable", { runner_id: held.runnerId, reason });
}

const unreachable = (held: HeldElsewhere, cause: Error) =>
  new WharfError(
    "runner_unavailable",
    {
      runner_id: held.runnerId,
      reason: `the server that holds it (${held.address}) does not answer: ${cause.message}`,
    },
    { cause },
  );

function formatHead({ statusCode = 502, statusMessage = "", rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
