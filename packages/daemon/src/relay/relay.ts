import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { WharfError } from "@wharf/contract";
import type { Mux } from "@wharf/contract/wire";
import { isSystemError } from "../file-system/files.ts";
import { sendRequest } from "./exchange.ts";
import { ModelGate } from "./model-gate.ts";
import { NamedHosts } from "./names/named-hosts.ts";
import { RequestBody } from "./request-body.ts";
import { carryTunnel, openTunnel } from "./tunnel.ts";

/**
 * Provides the way out of a runner: an HTTP server on the inner loopback forwards requests over the
 * wire to the gateway.
 *
 * A request is *held* until there is a wire, *sent*, and *answered*. If the wire dies before the
 * first byte of the response, a model request or a read-only request is held and sent once more
 * under the same id; every other request fails. A response that is cut after its beginning is
 * reset. Programs can reach nothing else; requests and tunnels for other hosts go to the gateway
 * too, which decides. A gate precedes these steps for requests to models, and is closed while the
 * agent is paused.
 */

const holdMs = 60_000;

/** Many requests may be held for that long, but no more than the wire accepts. */
const maxConnections = 1_000;
const idleConnectionMs = 65_000;

export interface RelayOptions {
  /** The relay listens on another port if this port is in use. */
  port: number;
  wire: { waitForMux(signal: AbortSignal, except?: Mux): Promise<Mux> };
  holdMs?: number;
}

export async function startRelay(options: RelayOptions): Promise<Relay> {
  const relay = new Relay(options);
  await relay.listen(options.port);
  return relay;
}

export class Relay implements AsyncDisposable {
  readonly models = new ModelGate();
  readonly #wire: RelayOptions["wire"];
  readonly #holdMs: number;
  readonly #server: Server;
  readonly #tunnels = new Set<Duplex>();
  #port = 0;
  #namedHosts: NamedHosts | undefined;

  constructor(options: RelayOptions) {
    this.#wire = options.wire;
    this.#holdMs = options.holdMs ?? holdMs;
    this.#server = createServer({
      noDelay: true,
      requestTimeout: 0,
      keepAliveTimeout: idleConnectionMs,
      maxHeaderSize: 64 * 1024,
    });
    this.#server.maxConnections = maxConnections;
    this.#server.on("request", (request, response) => void this.#handle(request, response));
    this.#server.on("connect", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#tunnel(request, socket, head);
    });
  }

  get port(): number {
    return this.#port;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    try {
      await once(this.#server, "listening");
    } catch (error) {
      if (port === 0 || !isSystemError(error, "EADDRINUSE", "EACCES")) throw error;
      return this.listen(0);
    }
    const address = this.#server.address();
    if (typeof address === "object" && address) this.#port = address.port;
  }

  /** Serves programs that ignore proxies, where the daemon may use the ports that this needs. */
  async serveNames(): Promise<void> {
    this.#namedHosts = await NamedHosts.open({
      openTunnel: async (authority, signal) => {
        const mux = await this.#wire.waitForMux(AbortSignal.any([signal, AbortSignal.timeout(this.#holdMs)]));
        return openTunnel(mux, authority, signal);
      },
    });
  }

  async close(): Promise<void> {
    await this.#namedHosts?.[Symbol.asyncDispose]();
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.#tunnels) socket.destroy();
    await once(this.#server, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // The client may leave at any moment; the `close` event reports that wherever it matters.
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const failure = await this.#forward(request, response, this.#getGatewayPath(request.url ?? "/"));
    if (failure && !response.headersSent) sendError(response, failure);
  }

  /** Returns the error for the client if no response arrived. */
  async #forward(request: IncomingMessage, response: ServerResponse, path: string): Promise<WharfError | undefined> {
    const id = randomUUID();
    const disconnect = new AbortController();
    response.once("close", () => disconnect.abort(new Error("the client disconnected")));
    using _ = await this.#enterGate(path, disconnect.signal);
    if (disconnect.signal.aborted) return undefined;
    using body = new RequestBody(request);
    let repeats = isRepeatable(request.method, path) ? 1 : 0;
    for (let mux: Mux | undefined; ;) {
      try {
        mux = await this.#wire.waitForMux(AbortSignal.any([disconnect.signal, AbortSignal.timeout(this.#holdMs)]), mux);
      } catch {
        return createUnreachableError(`none came within ${this.#holdMs / 1000} s`);
      }
      const result = await sendRequest(mux, { request, response, body, path, id });
      if (result === "answered" || disconnect.signal.aborted) return undefined;
      if (result === "unsent") continue;
      if (!mux.ended) return createUnansweredError(path);
      if (repeats === 0 || !body.repeatable)
        return createUnreachableError("the wire was lost while it worked on the request");
      repeats -= 1;
    }
  }

  /**
   * Returns what the caller must dispose of after the request, or undefined if the request needs no
   * gate or its client left while waiting.
   */
  #enterGate(path: string, signal: AbortSignal): Promise<Disposable | undefined> | undefined {
    return ModelGate.isModelPath(path) ? this.models.enter(signal).catch(() => undefined) : undefined;
  }

  /** A tunnel is held until there is a wire, and sent once. */
  async #tunnel(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => undefined);
    const authority = request.url ?? "";
    if (this.#isOwn(authority)) {
      // Some programs send all that they do through their proxy, also what is meant for it.
      socket.write(establishedHead);
      if (head.length > 0) socket.unshift(head);
      this.#server.emit("connection", socket);
      return;
    }
    const disconnect = new AbortController();
    this.#tunnels.add(socket);
    socket.once("close", () => {
      this.#tunnels.delete(socket);
      disconnect.abort(new Error("the client disconnected"));
    });
    try {
      const mux = await this.#wire.waitForMux(AbortSignal.any([disconnect.signal, AbortSignal.timeout(this.#holdMs)]));
      if (await carryTunnel(mux, { authority, socket, head })) return;
      refuseTunnel(socket, createUnreachableError("the wire was lost before the gateway answered"));
    } catch {
      refuseTunnel(socket, createUnreachableError(`none came within ${this.#holdMs / 1000} s`));
    }
  }

  #isOwn(host: string): boolean {
    return [`127.0.0.1:${this.#port}`, `localhost:${this.#port}`].includes(host.toLowerCase());
  }

  /**
   * Returns what the gateway gets: a path, or a whole URL of another host. A program that uses the
   * relay as its proxy addresses the relay itself with a whole URL too.
   */
  #getGatewayPath(url: string): string {
    const [, host = "", path = ""] = /^http:\/\/([^/?#]*)([^#]*)/i.exec(url) ?? [];
    if (!this.#isOwn(host)) return url;
    return path.startsWith("/") ? path : `/${path}`;
  }
}

/**
 * Model requests are repeatable: they change nothing at the gateway until they are answered, and
 * the gateway counts them by id.
 */
const isRepeatable = (method: string | undefined, path: string): boolean =>
  method === "GET" || method === "HEAD" || path.startsWith("/models/");

const establishedHead = "HTTP/1.1 200 Connection established\r\n\r\n";

const createUnreachableError = (reason: string): WharfError =>
  new WharfError("server_unreachable", { url: "the end of the runner's connection", reason });

function createUnansweredError(path: string): WharfError {
  const route = /^\/models\/([^/?]+)/.exec(path)?.[1];
  const reason = "the gateway closed the request without an answer";
  return route === undefined ? createUnreachableError(reason) : new WharfError("model_unreachable", { route, reason });
}

function sendError(response: ServerResponse, error: WharfError): void {
  const problem = JSON.stringify(error.toProblem());
  // The rest of the client's body stays unread, so the connection cannot be used again.
  response.writeHead(error.status, {
    "content-type": "application/problem+json",
    "content-length": Buffer.byteLength(problem),
    connection: "close",
  });
  response.end(problem);
}

function refuseTunnel(socket: Duplex, error: WharfError): void {
  const problem = JSON.stringify(error.toProblem());
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? error.code}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(problem)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${problem}`);
}
