import {
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as httpRequest,
  type ServerResponse,
} from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline, type Transform } from "node:stream";
import { WharfError } from "@wharf/contract";
import { SecretFilter, type SecretMatcher } from "../../redaction/index.ts";
import { toError } from "../../std/errors.ts";
import type { GatewayContext, GatewayHooks } from "../context.ts";
import { createForwardHeaders, createReturnHeaders, hasBody, onceAnswered } from "../forwarding.ts";
import { isClimbingPath } from "../paths.ts";
import { refuseWithError } from "../refusal.ts";
import { RunnerPlaces } from "../runner-places.ts";
import { AddressRewriter } from "./address-rewriter.ts";
import { createAuthorization, type Registry } from "./registry.ts";

export interface RegistryProxyOptions {
  readonly registries: readonly Registry[];
  readonly hooks: Pick<GatewayHooks, "credentialUse" | "denied" | "hostUse">;
  /** How long a registry may send nothing. */
  readonly silenceMs?: number | undefined;
}

const defaultSilenceMs = 60_000;
/** Limit on the open requests of one runner: package managers open up to 100 at once. */
const maxPerRunner = 256;
/** Limit on a request's body: the names and versions of the packages for an audit. */
const maxBodyBytes = 32 * 1024 * 1024;
/** Answers that may contain addresses of the registry. */
const textTypes = /^(?:application\/(?:[\w.-]+\+)?(?:json|xml)|text\/)/i;
/** Credentials of the program, and what would make another call of the one that was checked. */
const neverSent = [
  "cookie",
  "proxy-authorization",
  "npm-otp",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
];
/** The address at which the runner's programs reach the relay. */
const relayHost = /^(?:127\.0\.0\.1|localhost):\d{1,5}$/;

/**
 * Serves `/registries/<name>/<path>`: forwards the request to the registry with the registry's
 * credential. Runners can read packages and publish nothing.
 */
export class RegistryProxy {
  readonly #registries: ReadonlyMap<string, Registry>;
  readonly #options: RegistryProxyOptions;
  readonly #places = new RunnerPlaces(maxPerRunner);

  constructor(options: RegistryProxyOptions) {
    this.#options = options;
    this.#registries = new Map(options.registries.map((registry) => [registry.name, registry]));
  }

  async handle(context: GatewayContext, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [, name = "", path = ""] = /^\/registries\/([a-z0-9-]{1,32})\/([^#]*)$/.exec(req.url ?? "") ?? [];
    const registry = this.#registries.get(name);
    const refuse = (reason: string) => {
      const host = `registries/${name}`;
      this.#options.hooks.denied(context, { host, reason });
      refuseWithError({ req, res }, new WharfError("egress_denied", { host, reason }));
    };
    if (!registry) return refuse("the server has no registry of that name");
    if (isClimbingPath(`/${path.split("?")[0]}`)) return refuse("the path leaves the registry");
    if (!isReading(registry, req.method ?? "", path)) return refuse("a runner may read packages and not publish any");
    if (!relayHost.test(req.headers.host ?? "")) return refuse("the request is not for the relay");
    const place = this.#places.take(context.runner_id);
    if (!place) return refuseWithError({ req, res }, new WharfError("rate_limited", { retry_after_s: 1 }));
    res.once("close", () => place[Symbol.dispose]());
    const token = await registry.token.get();
    if (res.destroyed) return;
    this.#options.hooks.credentialUse?.(context, { kind: "registry", name: registry.name });
    const url = new URL(`${registry.url}${path}`);
    const use = this.#watchUse({ context, url }, req, res);
    this.#send({ registry, url, token, use, mayRepeat: !hasBody(req.headers) }, req, res);
  }

  /** Reports the use of the registry when the request ends. */
  #watchUse(
    { context, url }: { context: GatewayContext; url: URL },
    req: IncomingMessage,
    res: ServerResponse,
  ): RegistryUse {
    const startedAt = performance.now();
    const use: RegistryUse = { bytesIn: 0 };
    let bytesOut = 0;
    req.on("data", (chunk: Buffer) => (bytesOut += chunk.length));
    res.once("close", () =>
      this.#options.hooks.hostUse?.(context, {
        name: url.hostname,
        port: Number(url.port) || (url.protocol === "https:" ? 443 : 80),
        bytes_in: use.bytesIn,
        bytes_out: bytesOut,
        duration_ms: Math.round(performance.now() - startedAt),
        ended: true,
      }),
    );
    return use;
  }

  #send(sending: RegistryRequest, req: IncomingMessage, res: ServerResponse): void {
    const { registry, url, token, mayRepeat } = sending;
    const host = url.hostname;
    const headers: OutgoingHttpHeaders = {
      ...createForwardHeaders(req, url.host),
      authorization: createAuthorization(registry, token),
      // The answer must be readable to rewrite the addresses in it.
      "accept-encoding": "identity",
    };
    for (const name of neverSent) delete headers[name];
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send(url, { method: req.method, headers });
    const silenceMs = this.#options.silenceMs ?? defaultSilenceMs;
    request.setTimeout(silenceMs, () => request.destroy(new Error(`it sent nothing for ${silenceMs / 1000} s`)));
    request.once("error", (error) => {
      const unreachable = new WharfError("host_unreachable", { host, reason: error.message });
      refuseWithError({ req, res }, error instanceof WharfError ? error : unreachable);
    });
    onceAnswered(request, (response) => {
      const exchange = { request, response };
      if (mayRepeat && response.statusCode === 401)
        this.#renew(sending, exchange, req, res).catch((error: unknown) => request.destroy(toError(error)));
      else this.#answer(sending, exchange, req, res);
    });
    const end = () => request.destroy();
    res.once("close", end);
    request.once("close", () => res.off("close", end));
    if (!hasBody(req.headers)) return void request.end();
    let sentBytes = 0;
    req.on("data", (chunk: Buffer) => {
      sentBytes += chunk.length;
      if (sentBytes > maxBodyBytes) request.destroy(new WharfError("body_too_large", { limit_bytes: maxBodyBytes }));
    });
    pipeline(req, request, () => undefined);
  }

  /** Sends the request once more if the registry's token has changed. */
  async #renew(sending: RegistryRequest, exchange: RegistryExchange, req: IncomingMessage, res: ServerResponse) {
    exchange.response.on("error", () => undefined);
    const token = await sending.registry.token.renew(sending.token);
    if (res.destroyed || res.headersSent) return;
    if (token === undefined) return this.#answer(sending, exchange, req, res);
    exchange.request.destroy();
    this.#send({ ...sending, token, mayRepeat: false }, req, res);
  }

  #answer(
    { registry, url, use }: RegistryRequest,
    { request, response }: RegistryExchange,
    req: IncomingMessage,
    res: ServerResponse,
  ): void {
    if ((response.headers["content-encoding"] ?? "identity") !== "identity") {
      request.destroy(new Error("it responded in an encoding that was not requested"));
      return;
    }
    const runnerUrl = `http://${req.headers.host}/registries/${registry.name}/`;
    const { matcher } = registry.token;
    const isText = textTypes.test(response.headers["content-type"] ?? "");
    const rewriter = isText ? new AddressRewriter(registry.url, runnerUrl) : undefined;
    res.writeHead(
      response.statusCode ?? 502,
      createRunnerHeaders(response, { url, registry, runnerUrl, rewriter, matcher }),
    );
    response.on("data", (chunk: Buffer) => (use.bytesIn += chunk.length));
    const filter = new SecretFilter({ getMatcher: () => matcher });
    // A response that breaks off destroys the runner's, so that it never looks complete.
    pipeline([response, filter, ...(rewriter ? [rewriter] : []), res], () => request.destroy());
  }
}

/** An audit by npm sends the names of packages, and changes nothing. */
const isReading = ({ kind }: Registry, method: string, path: string): boolean =>
  method === "GET" ||
  method === "HEAD" ||
  (method === "POST" && kind === "npm" && path.startsWith("-/npm/v1/security/"));

/** What a registry has sent so far. */
interface RegistryUse {
  bytesIn: number;
}

interface RegistryRequest {
  readonly registry: Registry;
  readonly url: URL;
  readonly token: string;
  readonly use: RegistryUse;
  /** Whether the request can be sent once more with another token. */
  readonly mayRepeat: boolean;
}

interface RegistryExchange {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
}

interface AnswerOptions {
  readonly url: URL;
  readonly registry: Registry;
  readonly runnerUrl: string;
  readonly rewriter: Transform | undefined;
  readonly matcher: SecretMatcher;
}

function createRunnerHeaders(response: IncomingMessage, options: AnswerOptions): OutgoingHttpHeaders {
  const { url, registry, runnerUrl, rewriter, matcher } = options;
  const headers: OutgoingHttpHeaders = Object.fromEntries(
    Object.entries(createReturnHeaders(response)).map(([name, value]) => [name, redactHeader(value, matcher)]),
  );
  for (const name of ["set-cookie", "www-authenticate", ...(rewriter ? ["content-length"] : [])]) delete headers[name];
  const { location } = response.headers;
  if (location === undefined || !URL.canParse(location, url.href)) return headers;
  // A redirect to another host takes the runner's own way out, without the credential.
  const target = new URL(location, url).href;
  const isOwn = target.startsWith(registry.url);
  return {
    ...headers,
    location: matcher.redactText(isOwn ? `${runnerUrl}${target.slice(registry.url.length)}` : target),
  };
}

const redactHeader = (value: OutgoingHttpHeaders[string], matcher: SecretMatcher): OutgoingHttpHeaders[string] =>
  Array.isArray(value) ? value.map((one) => matcher.redactText(one)) : matcher.redactText(String(value));
