import { type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type RemoteError, WharfError } from "@wharf/contract";
import { type WebSocket, WebSocketServer } from "ws";
import type { Principal } from "../access/index.ts";
import type { Guard } from "./guard.ts";
import { HeldElsewhereError, type Peers } from "./peers.ts";
import { toStreamError, type FailureLogger } from "./stream-failure.ts";

/** What a stream holds ready for its WebSocket. Where the upgrade does not come about, it is disposed of instead. */
export interface PreparedStream extends AsyncDisposable {
  start(ws: WebSocket): void;
}

export interface UpgradeOptions {
  readonly guard: Guard;
  readonly logger: FailureLogger;
  /** Finds the stream of an address, or throws what the client is told instead. */
  readonly route: (url: URL, principal: Principal) => Promise<PreparedStream>;
  /** Other servers, for streams of runners that they hold. */
  readonly peers?: Peers | undefined;
  /** How long a socket may take to close when the server stops, or to read why it was refused. @default 2_000 */
  readonly closeTimeoutMs?: number | undefined;
}

const maxMessageBytes = 256 * 1024; // bytes
const handshakeKey = /^[+/0-9A-Za-z]{22}==$/;

/**
 * Turns requests into WebSockets, or refuses them with a problem:
 *
 *   upgrade ── address, guard, handshake ── route ──► prepared ──► started
 *                 └── refused: problem+json          └── the client left, or ws refuses it: disposed of
 */
export class Upgrades {
  readonly #options: UpgradeOptions;
  readonly #closeTimeoutMs: number;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes });
  /** Sockets that are no WebSockets yet, or never will be. */
  readonly #pending = new Set<Duplex>();

  constructor(server: Server, options: UpgradeOptions) {
    this.#options = options;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 2_000;
    this.#sockets.on("wsClientError", (error, socket) =>
      this.#refuseUpgrade(socket, createHandshakeError(error.message)),
    );
    server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket, head));
  }

  /** Closes every socket. One whose client does not answer is terminated. */
  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.close(1001, "the server stops");
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
    try {
      const url = parseAddress(request.url ?? "");
      const principal = this.#options.guard.check(request);
      if (!principal) throw new WharfError("unauthenticated", {});
      requireHandshake(request);
      const stream = await this.#options.route(url, principal);
      let isStarted = false;
      // Called back before it returns, or never: where ws finds fault with the rest of the handshake, or the client left.
      this.#sockets.handleUpgrade(request, socket, head, (ws) => {
        isStarted = true;
        this.#pending.delete(socket);
        stream.start(ws);
      });
      if (!isStarted) await stream[Symbol.asyncDispose]();
    } catch (thrown) {
      const { peers } = this.#options;
      if (!(thrown instanceof HeldElsewhereError) || !peers) return this.#refuseUpgrade(socket, thrown);
      await peers.forwardUpgrade(thrown, { message: request, socket, head }).catch((error: unknown) => {
        this.#refuseUpgrade(socket, error);
      });
    }
  }

  #refuseUpgrade(socket: Duplex, thrown: unknown): void {
    const error = toStreamError(thrown, this.#options.logger);
    const destroyTimer = setTimeout(() => socket.destroy(), this.#closeTimeoutMs).unref();
    socket.once("finish", () => socket.destroy()).once("close", () => clearTimeout(destroyTimer));
    socket.end(formatRefusal(error));
  }
}

/**
 * The raw answer to a refused upgrade. A problem may be a runner's, so its words go into the body only, as JSON: the status
 * line is ours.
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

/** Checked before anything is prepared, because ws would find out only afterwards. */
function requireHandshake({ method, headers }: IncomingMessage): void {
  const isHandshake =
    method === "GET" &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    handshakeKey.test(headers["sec-websocket-key"] ?? "") &&
    ["8", "13"].includes(headers["sec-websocket-version"] ?? "");
  if (!isHandshake) throw createHandshakeError("this is no WebSocket handshake");
}

const createHandshakeError = (message: string) => new WharfError("bad_request", { issues: [{ path: "", message }] });
