import { type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type Problem, type RemoteError, WharfError } from "@wharf/contract";
import { type WebSocket, WebSocketServer } from "ws";
import type { AccessUse, AccessWatch, Authenticator, Caller, Credentials, StreamTickets } from "../../access/index.ts";
import type { AuditLog } from "../../audit/index.ts";
import { authenticateSender } from "../http/admit-requests.ts";
import { isDenied } from "../http/audit-requests.ts";
import type { ClientAddresses } from "../http/client-addresses.ts";
import type { Guard } from "../http/guard.ts";
import { HeldElsewhereError, type Peers } from "../http/peers.ts";
import { type RequestLimits, requireQuota } from "../http/request-limits.ts";
import { describeSender, type RequestSender } from "../http/request-sender.ts";
import { requireOwnPage } from "../http/session-cookie.ts";
import { getLastingCredentials, getStreamCredentials, replaceTicket } from "../http/stream-credentials.ts";
import { toStreamError, type FailureLogger } from "./stream-failure.ts";

/**
 * Resources of a stream that is ready for its WebSocket. If the upgrade fails, they are disposed of
 * instead.
 */
export interface PreparedStream extends AsyncDisposable {
  /** How the stream learns of changes of its viewer's access. */
  readonly access: Omit<AccessUse, "credentials">;
  start(ws: WebSocket): void;
}

/** Who asks for a stream, and from where. */
export type StreamSender = RequestSender & { readonly caller: Caller };

/** Upgrades that belong to another module, before anything of them is checked. */
export interface OtherUpgrades {
  accepts(request: IncomingMessage): boolean;
  serveUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

export interface UpgradeOptions {
  /** Records who was refused. */
  readonly audit: Pick<AuditLog, "count">;
  readonly clientAddresses: ClientAddresses;
  readonly guard: Guard;
  readonly requestLimits: RequestLimits;
  readonly authenticator: Authenticator;
  readonly accessWatch: AccessWatch;
  /** Gives another ticket for the server that takes a forwarded upgrade. */
  readonly streamTickets: Pick<StreamTickets, "create">;
  /** Whether addresses of streams may have tokens. */
  readonly acceptsQueryTokens: boolean;
  readonly logger: FailureLogger;
  /** Finds the stream for a URL, or throws the error for the client. */
  readonly route: (url: URL, sender: StreamSender) => Promise<PreparedStream>;
  /** Serves the upgrades on the host names of previews. */
  readonly previews?: OtherUpgrades | undefined;
  /** Other servers, for streams of runners that they hold. */
  readonly peers?: Peers | undefined;
  /**
   * Time for a socket to close when the server stops, or to read why it was refused. @default 2_000
   */
  readonly closeTimeoutMs?: number | undefined;
}

/** Streams refuse smaller messages than this with a reason. */
const maxMessageBytes = 1 << 20;
const handshakeKey = /^[+/0-9A-Za-z]{22}==$/;

/**
 * Upgrades requests to WebSockets, or refuses them with a problem:
 *
 *   upgrade ── address, guard, handshake ── route ──► prepared ──► started
 *                 └── refused: problem+json          └── the client left, or ws refuses: disposed
 */
export class Upgrades {
  readonly #options: UpgradeOptions;
  readonly #closeTimeoutMs: number;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes });
  /** Sockets that are not WebSockets yet, or never will be. */
  readonly #pending = new Set<Duplex>();

  constructor(server: Server, options: UpgradeOptions) {
    this.#options = options;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 2_000;
    this.#sockets.on("wsClientError", (error, socket) =>
      this.#refuseUpgrade(socket, createHandshakeError(error.message)),
    );
    const { previews } = options;
    server.on("upgrade", (request, socket, head) => {
      if (previews?.accepts(request)) void previews.serveUpgrade(request, socket, head);
      else void this.#upgrade(request, socket, head);
    });
  }

  /** Closes every socket, and terminates those whose client does not answer. */
  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.close(1001, "the server is stopping");
    for (const socket of this.#pending) socket.destroy();
    const terminateTimer = setTimeout(() => {
      for (const socket of this.#sockets.clients) socket.terminate();
    }, this.#closeTimeoutMs);
    await new Promise<void>((resolve) => this.#sockets.close(() => resolve()));
    clearTimeout(terminateTimer);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#pending.delete(socket));
    this.#pending.add(socket);
    let caller: Caller | undefined;
    let hasTicket = false;
    try {
      const url = parseAddress(request.url ?? "");
      const page = this.#options.guard.check(request);
      const { accessWatch } = this.#options;
      const since = accessWatch.time;
      const credentials = getStreamCredentials(request, this.#options);
      hasTicket = credentials.ticket !== undefined;
      const sender = (caller = await this.#authenticate(request, credentials));
      if (caller.session?.kind === "browser" && !hasTicket) requireOwnPage(request, page);
      requireHandshake(request);
      const stream = await this.#options.route(url, { ...this.#describe(request), caller });
      let isStarted = false;
      // The callback runs before the call returns, or never: if ws rejects the rest of the
      // handshake, or the client left.
      this.#sockets.handleUpgrade(request, socket, head, (ws) => {
        isStarted = true;
        this.#pending.delete(socket);
        stream.start(ws);
        const use = { ...stream.access, credentials: getLastingCredentials(request, sender) };
        ws.once("close", accessWatch.add(use, { caller: sender, since }));
      });
      if (!isStarted) await stream[Symbol.asyncDispose]();
    } catch (thrown) {
      const { peers } = this.#options;
      if (!(thrown instanceof HeldElsewhereError) || !peers)
        return this.#recordRefusal(request, caller, this.#refuseUpgrade(socket, thrown));
      try {
        if (hasTicket && caller) await this.#renewTicket(request, caller);
        await peers.forwardUpgrade(thrown, { message: request, socket, head });
      } catch (error) {
        this.#refuseUpgrade(socket, error);
      }
    }
  }

  /** The opening of a stream counts like any other request. */
  #authenticate(request: IncomingMessage, credentials: Credentials): Promise<Caller> {
    const { authenticator, clientAddresses, requestLimits } = this.#options;
    return authenticateSender(authenticator, credentials, (caller) => {
      if (!clientAddresses.isForwarded(request))
        requireQuota(requestLimits.count(caller, clientAddresses.find(request)));
    });
  }

  /** A ticket is used up here, so the other server gets one of the same sender. */
  async #renewTicket(request: IncomingMessage, caller: Caller): Promise<void> {
    request.url = replaceTicket(request.url ?? "", await this.#options.streamTickets.create(caller));
  }

  #describe(request: IncomingMessage): Omit<RequestSender, "caller"> {
    return { headers: request.headers, clientAddress: this.#options.clientAddresses.find(request) };
  }

  #recordRefusal(request: IncomingMessage, caller: Caller | undefined, { code: error, status }: Problem): void {
    if (!isDenied(status)) return;
    const sender = describeSender({ ...this.#describe(request), caller });
    const details = { path: request.url?.split("?")[0] ?? "" };
    this.#options.audit.count({ ...sender, action: "openStream", result: "denied", error, details });
  }

  #refuseUpgrade(socket: Duplex, thrown: unknown): Problem {
    const error = toStreamError(thrown, this.#options.logger);
    const destroyTimer = setTimeout(() => socket.destroy(), this.#closeTimeoutMs).unref();
    socket.once("finish", () => socket.destroy()).once("close", () => clearTimeout(destroyTimer));
    socket.end(formatRefusal(error));
    return error.toProblem();
  }
}

/**
 * Formats the raw answer to a refused upgrade. A problem may come from a runner, so its text is
 * only in the body, as JSON: the status line is ours.
 */
export function formatRefusal(error: WharfError | RemoteError): string {
  const problem = error.toProblem();
  const isError = problem.status >= 400 && STATUS_CODES[problem.status] !== undefined;
  const status = isError ? problem.status : 502;
  const body = JSON.stringify({ ...problem, status });
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    "",
    body,
  ].join("\r\n");
}

function parseAddress(address: string): URL {
  const url = URL.parse(address, "http://localhost");
  if (!url) throw createHandshakeError("the address is not valid");
  return url;
}

/** Checks the handshake before anything is prepared, because ws would reject it only afterwards. */
function requireHandshake({ method, headers }: IncomingMessage): void {
  const isHandshake =
    method === "GET" &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    handshakeKey.test(headers["sec-websocket-key"] ?? "") &&
    ["8", "13"].includes(headers["sec-websocket-version"] ?? "");
  if (!isHandshake) throw createHandshakeError("this is not a WebSocket handshake");
}

const createHandshakeError = (message: string) => new WharfError("bad_request", { issues: [{ path: "", message }] });
