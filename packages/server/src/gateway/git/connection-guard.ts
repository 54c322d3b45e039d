import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type Duplex, pipeline } from "node:stream";
import { WharfError } from "@wharf/contract";
import { toError } from "../../std/errors.ts";
import { createForwardHeaders, createReturnHeaders } from "../forwarding.ts";
import type { FindAddresses } from "../hosts/addresses.ts";
import { carry, connectTo } from "../hosts/tunnel.ts";
import {
  type AddressPolicy,
  createRefusal,
  findPermission,
  getPort,
  requireAllowedAddresses,
  resolveHost,
} from "./address-policy.ts";
import type { Endpoint } from "./address.ts";
import type { GitConfig } from "./environment.ts";

export interface GuardOptions {
  /** The remote's address, for errors. */
  readonly url: string;
  readonly endpoint: Endpoint;
  readonly policy: AddressPolicy;
  readonly findAddresses: FindAddresses;
}

const connectTimeoutMs = 20_000;
/** Git itself disconnects much earlier from a remote that sends nothing. */
const idleTimeoutMs = 10 * 60_000;

/**
 * An HTTP proxy on loopback through which one git command reaches its remote, and nothing else.
 *
 * Git follows redirects and resolves names itself, so that a check before the command would prove
 * nothing. The proxy resolves the name, checks the addresses and connects to one of them. It
 * refuses every other host, so that a redirect leads neither git nor its login elsewhere. The
 * connection over TLS stays between git and the remote. A password keeps other users of the machine
 * out.
 */
export class ConnectionGuard implements Disposable {
  readonly #options: GuardOptions;
  readonly #server: Server;
  readonly #authorization: string;
  readonly #password: string;
  readonly #sockets = new Set<Duplex>();
  #failure: WharfError | undefined;

  static async open(options: GuardOptions): Promise<ConnectionGuard> {
    const guard = new ConnectionGuard(options);
    guard.#server.listen(0, "127.0.0.1");
    await once(guard.#server, "listening");
    return guard;
  }

  private constructor(options: GuardOptions) {
    this.#options = options;
    this.#password = randomBytes(18).toString("base64url");
    this.#authorization = `Basic ${Buffer.from(`git:${this.#password}`).toString("base64")}`;
    this.#server = createServer((req, res) => {
      this.#serve(res, () => this.#forward(req, res), req);
    });
    this.#server.on("connect", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#serve(socket, () => this.#tunnel(req, socket, head), req);
    });
    this.#server.on("connection", (socket: Socket) => this.#track(socket));
  }

  /** The first connection that was refused or failed. */
  get failure(): WharfError | undefined {
    return this.#failure;
  }

  /** The settings with which git uses this proxy. */
  get config(): GitConfig {
    const { port } = this.#server.address() as AddressInfo;
    return [
      ["http.proxy", `http://git:${this.#password}@127.0.0.1:${port}`],
      ["http.proxyAuthMethod", "basic"],
    ];
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(output: Duplex | ServerResponse, work: () => Promise<void>, req: IncomingMessage): void {
    output.on("error", () => undefined);
    if (req.headers["proxy-authorization"] !== this.#authorization)
      return sendStatus(output, "407 Proxy Authentication Required");
    work().catch((thrown: unknown) => {
      this.#failure ??=
        thrown instanceof WharfError
          ? thrown
          : new WharfError(
              "repository_unreachable",
              { url: this.#options.url, reason: toError(thrown).message },
              { cause: thrown },
            );
      sendStatus(output, "502 Bad Gateway");
    });
  }

  async #tunnel(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const outer = await this.#connect(`https://${req.url ?? ""}`);
    if (socket.destroyed) return void outer.destroy();
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) outer.write(head);
    await carry(socket, outer, idleTimeoutMs);
  }

  async #forward(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = req.url ?? "";
    const socket = await this.#connect(url);
    const { host, pathname, search } = new URL(url);
    const headers = createForwardHeaders(req, host);
    const request = httpRequest({
      method: req.method,
      path: pathname + search,
      headers,
      createConnection: () => socket,
    });
    res.once("close", () => request.destroy());
    pipeline(req, request, () => undefined);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    res.writeHead(response.statusCode ?? 502, createReturnHeaders(response));
    // A response that breaks off destroys git's, so that it never looks complete.
    pipeline(response, res, () => request.destroy());
  }

  /** Connects to the remote if the URL leads there and the policy allows it. */
  async #connect(text: string): Promise<Socket> {
    const { url, endpoint, policy, findAddresses } = this.#options;
    const target = URL.parse(text);
    const protocol = target?.protocol === "https:" ? "https" : "http";
    const name = target?.hostname.replace(/^\[(.*)\]$/, "$1") ?? "";
    if (target === null || name !== endpoint.name)
      throw createRefusal(url, `it redirects to another host, ${target?.host ?? "which has no valid name"}`);
    const reached = { ...endpoint, protocol, port: target.port === "" ? undefined : Number(target.port) } as const;
    const permission = findPermission(url, reached, policy);
    const addresses = requireAllowedAddresses(url, await resolveHost(name, { url, findAddresses }), permission);
    const socket = await connectTo({ name, port: getPort(reached) }, addresses, { timeoutMs: connectTimeoutMs });
    socket.on("error", () => undefined);
    return this.#track(socket);
  }

  #track<T extends Duplex>(socket: T): T {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }
}

function sendStatus(output: Duplex | ServerResponse, status: string): void {
  if ("headersSent" in output) {
    if (output.headersSent) output.destroy();
    else output.writeHead(Number(status.slice(0, 3)), { connection: "close" }).end();
  } else if (!output.destroyed) output.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`);
}
