import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest, type ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline, type Transform } from "node:stream";
import { WharfError } from "@wharf/contract";
import { SecretFilter, type SecretMatcher } from "../../redaction/index.ts";
import type { GatewayContext, GatewayHooks } from "../context.ts";
import { createForwardHeaders, createReturnHeaders } from "../forwarding.ts";
import { isClimbingPath } from "../paths.ts";
import { refuseWithError } from "../refusal.ts";
import { AddressRewriter } from "./address-rewriter.ts";
import type { Authorization, Registry } from "./registry.ts";

export interface RegistryProxyOptions {
  readonly registries: readonly Registry[];
  readonly hooks: Pick<GatewayHooks, "denied" | "hostUse">;
  /** How long a registry may send nothing. */
  readonly silenceMs?: number | undefined;
}

const defaultSilenceMs = 60_000;
/** Limit on the open requests of one runner: package managers open up to 100 at once. */
const maxPerRunner = 256;
/** Answers that may contain addresses of the registry. */
const textTypes = /^(?:application\/(?:[\w.-]+\+)?(?:json|xml)|text\/)/i;
/** The address at which the runner's programs reach the relay. */
const relayHost = /^(?:127\.0\.0\.1|localhost):\d{1,5}$/;

/**
 * Serves `/registries/<name>/<path>`: forwards the request to the registry with the registry's
 * credential. Runners can read packages and publish nothing.
 */
export class RegistryProxy {
  readonly #registries: ReadonlyMap<string, Registry>;
  readonly #options: RegistryProxyOptions;
  readonly #openCounts = new Map<string, number>();

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
    const count = this.#openCounts.get(context.runner_id) ?? 0;
    if (count >= maxPerRunner)
      return refuseWithError({ req, res }, new WharfError("rate_limited", { retry_after_s: 1 }));
    this.#openCounts.set(context.runner_id, count + 1);
    res.once("close", () => {
      const remaining = (this.#openCounts.get(context.runner_id) ?? 1) - 1;
      if (remaining > 0) this.#openCounts.set(context.runner_id, remaining);
      else this.#openCounts.delete(context.runner_id);
    });
    const authorization = await registry.getAuthorization();
    if (!res.destroyed) this.#forward({ context, registry, path, authorization }, req, res);
  }

  #forward(
    { context, registry, path, authorization }: RegistryRequest,
    req: IncomingMessage,
    res: ServerResponse,
  ): void {
    const startedAt = performance.now();
    const url = new URL(`${registry.url}${path}`);
    const host = url.hostname;
    const headers: OutgoingHttpHeaders = {
      ...createForwardHeaders(req, url.host),
      authorization: authorization.value,
      // The answer must be readable to rewrite the addresses in it.
      "accept-encoding": "identity",
    };
    for (const name of ["cookie", "proxy-authorization", "npm-otp"]) delete headers[name];
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send(url, { method: req.method, headers });
    const silenceMs = this.#options.silenceMs ?? defaultSilenceMs;
    request.setTimeout(silenceMs, () => request.destroy(new Error(`it sent nothing for ${silenceMs / 1000} s`)));
    request.once("error", (error) =>
      refuseWithError({ req, res }, new WharfError("host_unreachable", { host, reason: error.message })),
    );
    let bytesIn = 0;
    let bytesOut = 0;
    request.once("response", (response) => {
      if ((response.headers["content-encoding"] ?? "identity") !== "identity") {
        request.destroy(new Error("it responded in an encoding that was not requested"));
        return;
      }
      const runnerUrl = `http://${req.headers.host}/registries/${registry.name}/`;
      const { matcher } = authorization;
      const isText = textTypes.test(response.headers["content-type"] ?? "");
      const rewriter = isText ? new AddressRewriter(registry.url, runnerUrl) : undefined;
      res.writeHead(
        response.statusCode ?? 502,
        createRunnerHeaders(response, { url, registry, runnerUrl, rewriter, matcher }),
      );
      response.on("data", (chunk: Buffer) => (bytesIn += chunk.length));
      const filter = new SecretFilter({ getMatcher: () => matcher });
      // A response that breaks off destroys the runner's, so that it never looks complete.
      pipeline([response, filter, ...(rewriter ? [rewriter] : []), res], () => request.destroy());
    });
    res.once("close", () => {
      request.destroy();
      this.#options.hooks.hostUse?.(context, {
        name: host,
        port: Number(url.port) || (url.protocol === "https:" ? 443 : 80),
        bytes_in: bytesIn,
        bytes_out: bytesOut,
        duration_ms: Math.round(performance.now() - startedAt),
        ended: true,
      });
    });
    req.on("data", (chunk: Buffer) => (bytesOut += chunk.length));
    pipeline(req, request, () => undefined);
  }
}

/** An audit by npm sends the names of packages, and changes nothing. */
const isReading = ({ kind }: Registry, method: string, path: string): boolean =>
  method === "GET" ||
  method === "HEAD" ||
  (method === "POST" && kind === "npm" && path.startsWith("-/npm/v1/security/"));

interface RegistryRequest {
  readonly context: GatewayContext;
  readonly registry: Registry;
  readonly path: string;
  readonly authorization: Authorization;
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
