import { type IncomingMessage, request as httpRequest, type ServerResponse, STATUS_CODES } from "node:http";
import type { connect } from "node:net";
import { type Duplex, pipeline } from "node:stream";
import { WharfError } from "@wharf/contract";
import { toError } from "../../std/errors.ts";
import type { GatewayContext, GatewayHooks, HostUse } from "../context.ts";
import { createForwardHeaders, createReturnHeaders, onceAnswered } from "../forwarding.ts";
import { refuseWithError } from "../refusal.ts";
import { RunnerPlaces } from "../runner-places.ts";
import { AddressFinder, type FindAddresses } from "./addresses.ts";
import { decide, formatTarget, type HostDecision, type HostRule, type HostTarget, parseTarget } from "./host-policy.ts";
import { carry, connectTo, defaultTunnelTimes, readGreeting, type TunnelTimes, type TunnelUse } from "./tunnel.ts";
import { UseReporter } from "./use-reporter.ts";

export interface HostsProxyOptions {
  /** Returns the entries of the allow-lists that concern a runner. */
  readonly findRules: (context: GatewayContext) => Promise<readonly HostRule[]>;
  readonly hooks: Pick<GatewayHooks, "denied" | "hostUse">;
  readonly findAddresses?: FindAddresses | undefined;
  readonly times?: Partial<TunnelTimes> | undefined;
  /** Opens a connection; tests lead it to a server of theirs. */
  readonly connect?: typeof connect | undefined;
}

/** Limit on the open connections of one runner: package managers open up to 100 at once. */
const maxPerRunner = 256;

/**
 * The way out to the hosts of the allow-lists, as an HTTP proxy: tunnels for TLS, and plain HTTP
 * requests with a whole URL. Names are resolved here, once, and the connection goes to the address
 * that was checked.
 */
export class HostsProxy {
  readonly #options: HostsProxyOptions;
  readonly #findAddresses: FindAddresses;
  readonly #times: TunnelTimes;
  readonly #places = new RunnerPlaces(maxPerRunner);
  readonly #tunnels = new Set<Duplex>();

  constructor(options: HostsProxyOptions) {
    this.#options = options;
    this.#findAddresses = options.findAddresses ?? new AddressFinder().find;
    this.#times = { ...defaultTunnelTimes, ...options.times };
  }

  /** Serves `CONNECT host:port`. */
  async tunnel(context: GatewayContext, req: IncomingMessage, stream: { socket: Duplex; head: Buffer }): Promise<void> {
    const { socket, head } = stream;
    this.#tunnels.add(socket);
    socket.once("close", () => this.#tunnels.delete(socket));
    using place = this.#places.take(context.runner_id);
    if (!place) return sendTunnelError(socket, new WharfError("rate_limited", { retry_after_s: 1 }));
    const decision = await this.#decide(context, parseTarget(req.url ?? ""), req.url ?? "");
    if (decision instanceof WharfError) return sendTunnelError(socket, decision);
    const { target, addresses } = decision;
    const outer = await connectTo(target, addresses, {
      timeoutMs: this.#times.connectMs,
      connect: this.#options.connect,
    }).catch(toError);
    if (outer instanceof Error) return sendTunnelError(socket, createUnreachableError(target, outer.message));
    outer.on("error", () => undefined);
    if (socket.destroyed) return void outer.destroy();
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    const greeting = await readGreeting(socket, head, target, this.#times.helloMs);
    if (greeting.kind !== "accepted") {
      if (greeting.kind === "refused")
        this.#options.hooks.denied(context, { host: formatTarget(target), reason: greeting.reason });
      socket.destroy();
      outer.destroy();
      return;
    }
    outer.write(greeting.bytes);
    using use = this.#startUse(context, target);
    use.bytesOut = greeting.bytes.length;
    await carry(socket, outer, this.#times.idleMs, use);
  }

  /** Serves a request with a whole URL, as programs send it to a proxy for plain HTTP. */
  async forward(context: GatewayContext, req: IncomingMessage, res: ServerResponse): Promise<void> {
    using place = this.#places.take(context.runner_id);
    if (!place) return refuseWithError({ req, res }, new WharfError("rate_limited", { retry_after_s: 1 }));
    const [, scheme = "", authority = "", path = ""] =
      /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^#]*)/i.exec(req.url ?? "") ?? [];
    if (scheme.toLowerCase() !== "http") {
      const reason = `the proxy takes ${scheme.slice(0, 20)}:// only through CONNECT`;
      const host = getHostText(authority);
      this.#options.hooks.denied(context, { host, reason });
      return refuseWithError({ req, res }, new WharfError("egress_denied", { host, reason }));
    }
    const decision = await this.#decide(context, parseTarget(authority, 80), authority);
    if (decision instanceof WharfError) return refuseWithError({ req, res }, decision);
    using use = this.#startUse(context, decision.target);
    await this.#relay({ req, res, use }, decision, path.startsWith("/") ? path : `/${path}`);
  }

  /** Ends all tunnels. */
  close(): void {
    for (const socket of this.#tunnels) socket.destroy();
  }

  async #relay(
    { req, res, use }: { req: IncomingMessage; res: ServerResponse; use: TunnelUse },
    { target, addresses }: HostDecision & { kind: "allowed" },
    path: string,
  ): Promise<void> {
    const socket = await connectTo(target, addresses, {
      timeoutMs: this.#times.connectMs,
      connect: this.#options.connect,
    }).catch(toError);
    if (socket instanceof Error) {
      refuseWithError({ req, res }, createUnreachableError(target, socket.message));
      return;
    }
    const over = Promise.withResolvers<void>();
    const headers = createForwardHeaders(req, target.port === 80 ? target.name : formatTarget(target));
    const request = httpRequest({ method: req.method, path, headers, createConnection: () => socket });
    request.setTimeout(this.#times.idleMs, () => request.destroy(new Error("it sent nothing for too long")));
    request.once("error", (error) => {
      socket.destroy();
      refuseWithError({ req, res }, createUnreachableError(target, error.message));
      over.resolve();
    });
    onceAnswered(request, (response) => {
      res.writeHead(response.statusCode ?? 502, createReturnHeaders(response));
      response.on("data", (chunk: Buffer) => (use.bytesIn += chunk.length));
      // A response that breaks off destroys the runner's, so that it never looks complete.
      pipeline(response, res, () => {
        request.destroy();
        over.resolve();
      });
    });
    res.once("close", () => {
      request.destroy();
      over.resolve();
    });
    req.on("data", (chunk: Buffer) => (use.bytesOut += chunk.length));
    pipeline(req, request, () => undefined);
    await over.promise;
  }

  /** Returns the addresses to connect to, or the error for the program. A denial is reported. */
  async #decide(
    context: GatewayContext,
    target: HostTarget | undefined,
    asked: string,
  ): Promise<(HostDecision & { kind: "allowed" }) | WharfError> {
    const rules = await this.#options.findRules(context);
    const decision = await decide(target, rules, (name) => this.#findAddresses(name, context.runner_id));
    if (decision.kind === "allowed") return decision;
    if (decision.kind === "unresolved") return createUnreachableError(decision.target, decision.reason);
    const { reason, remedy } = decision;
    const host = decision.target ? formatTarget(decision.target) : getHostText(asked);
    const denial = { host, reason, ...(remedy && { entry: host, allows_private: remedy.allowsPrivate }) };
    this.#options.hooks.denied(context, denial);
    return new WharfError("egress_denied", denial);
  }

  #startUse(context: GatewayContext, target: HostTarget): UseReporter {
    const report = (use: Omit<HostUse, keyof HostTarget>) =>
      this.#options.hooks.hostUse?.(context, { ...target, ...use });
    return new UseReporter(report, this.#times.reportMs);
  }
}

/** Strips a login: the text goes into the log. */
const getHostText = (authority: string): string => authority.replace(/^.*@/, "").slice(0, 255);

const createUnreachableError = (target: HostTarget, reason: string): WharfError =>
  new WharfError("host_unreachable", { host: formatTarget(target), reason });

/** Answers a CONNECT. Few programs show the body, so the status line says it too. */
export function sendTunnelError(socket: Duplex, error: WharfError): void {
  const body = JSON.stringify(error.toProblem());
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? error.code}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
