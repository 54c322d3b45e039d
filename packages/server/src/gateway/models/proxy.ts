import { randomUUID } from "node:crypto";
import {
  type Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type ServerResponse,
} from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { WharfError } from "@wharf/contract";
import type { GatewayContext, GatewayHooks, ModelRoute } from "../context.ts";
import { refuse, refuseWith } from "../refuse.ts";
import { isAllowedCall } from "./calls.ts";
import { ConnectionPools } from "./connections.ts";
import { apiError, carriesToken, keyHeader, withoutCredentials } from "./credentials.ts";
import { getFraming, hasBody } from "./framing.ts";
import { isEncoded, requestHeaders, responseHeaders } from "./headers.ts";
import { SecretFilter } from "./secret-filter.ts";
import { SecretMatcher } from "./secret-matcher.ts";
import { Upload } from "./upload.ts";

export interface ModelProxyOptions {
  readonly routes: Readonly<Record<string, ModelRoute>>;
  readonly hooks: GatewayHooks;
  readonly maxBodyBytes: number;
}

const connectWithin = 15_000; // ms
/** A model may think for long; one that sends nothing for this long is gone. */
const silentAtMost = 15 * 60_000; // ms
/** Requests of one runner that may be open at the same time. */
const maxPerRunner = 64;

interface Target {
  readonly name: string;
  readonly route: ModelRoute;
  readonly url: URL;
}

/** `/models/<route>/<rest>` goes to `<base_url>/<rest>`, with the real key, and streams back. */
export function createModelProxy({ routes, hooks, maxBodyBytes }: ModelProxyOptions): {
  handle(context: GatewayContext, req: IncomingMessage, res: ServerResponse): void;
  close(): void;
} {
  const pools = new ConnectionPools();
  const busy = new Map<string, number>();
  const secrets = new Map<string, SecretMatcher>();

  const getSecret = (name: string, key: string): SecretMatcher => {
    const secret = secrets.get(name) ?? new SecretMatcher(key);
    secrets.set(name, secret);
    return secret;
  };

  const find = (context: GatewayContext, req: IncomingMessage, res: ServerResponse): Target | undefined => {
    const match = /^\/models\/([A-Za-z0-9._-]+)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(req.url ?? "");
    const [, name = "", rest = "", query = ""] = match ?? [];
    const route = ownOf(routes, name);
    const api = (route ?? ownOf(routes, context.model_route ?? ""))?.api ?? "openai";
    const deny = (reason: string, error: WharfError): undefined => {
      hooks.denied(context, { host: `models/${name.slice(0, 100)}`, reason });
      refuseWith({ req, res }, error, { error: apiError(api, error.status, error.message).error });
    };
    if (!match || climbs(rest))
      return deny("no such address of a model", new WharfError("egress_denied", { host: "models" }));
    if (!carriesToken(req.headers, query, context.token)) {
      hooks.denied(context, {
        host: `models/${name.slice(0, 100)}`,
        reason: "the request does not carry the run's token",
      });
      const body = apiError(api, 401, "This token is not good for this run.");
      refuse({ req, res }, { status: 401, type: "application/json", body, headers: { "x-should-retry": "false" } });
      return undefined;
    }
    if (name !== context.model_route)
      return deny("this run may not use that model route", new WharfError("model_route_missing", { route: name }));
    if (!route || route.key === "")
      return deny("the server has no key for it", new WharfError("model_route_missing", { route: name }));
    const method = req.method ?? "";
    if (!isAllowedCall(route.api, method, rest)) {
      const call = `${method} ${rest.slice(0, 200)}`;
      return deny(`a run may not call ${call}`, new WharfError("model_call_denied", { route: name, call }));
    }
    if (method !== "POST" && hasBody(req.headers)) {
      const issues = [{ path: "", message: `${method} carries no body` }];
      const error = new WharfError("bad_request", { issues });
      refuseWith({ req, res }, error, { error: apiError(api, error.status, error.message).error });
      return undefined;
    }
    return { name, route, url: targetUrl(route.base_url, rest, withoutCredentials(query)) };
  };

  return {
    handle(context, req, res) {
      const running = busy.get(context.runner_id) ?? 0;
      if (running >= maxPerRunner)
        return refuseWith({ req, res }, new WharfError("rate_limited", { retry_after_s: 1 }));
      const target = find(context, req, res);
      if (!target) return;
      const { name, route, url } = target;
      if (Number(req.headers["content-length"] ?? 0) > maxBodyBytes) {
        const error = new WharfError("body_too_large", { limit_bytes: maxBodyBytes });
        return refuseWith({ req, res }, error, { error: apiError(route.api, error.status, error.message).error });
      }
      busy.set(context.runner_id, running + 1);
      res.once("close", () => {
        const left = (busy.get(context.runner_id) ?? 1) - 1;
        if (left > 0) busy.set(context.runner_id, left);
        else busy.delete(context.runner_id);
      });
      const connections = pools.open(context.run_id);
      res.once("close", () => connections[Symbol.dispose]());
      const secret = getSecret(name, route.key);
      const agent = connections.getAgent(url.protocol);
      exchange({ context, name, route, secret, url, agent, maxBodyBytes, hooks }, req, res);
    },
    close: () => pools.close(),
  };
}

const ownOf = (routes: Readonly<Record<string, ModelRoute>>, name: string) =>
  Object.hasOwn(routes, name) ? routes[name] : undefined;

/** A path that would leave the route's base address, however its dots are written. */
const climbs = (rest: string): boolean =>
  /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:$|[/\\]|%2f|%5c)/i.test(rest) || rest.includes("\\");

function targetUrl(base: string, rest: string, query: string): URL {
  const url = new URL(base);
  return new URL(`${url.origin}${url.pathname.replace(/\/+$/, "")}${rest}${query === "" ? "" : `?${query}`}`);
}

interface Exchange {
  readonly context: GatewayContext;
  readonly name: string;
  readonly route: ModelRoute;
  readonly secret: SecretMatcher;
  readonly url: URL;
  readonly agent: HttpAgent;
  readonly maxBodyBytes: number;
  readonly hooks: GatewayHooks;
}

/** One request and its answer. It is told of once, when the runner's side has closed. */
function exchange(
  { context, name, route, secret, url, agent, maxBodyBytes, hooks }: Exchange,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const started = performance.now();
  const given = req.headers["x-wharf-request-id"];
  const requestId = typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
  const method = req.method === "POST" || req.method === "HEAD" ? req.method : "GET";
  const headers = {
    ...requestHeaders(req.headers, keyHeader(route)),
    ...getFraming(method, req.headers),
    "x-wharf-request-id": requestId,
  };
  let bytesOut = 0;
  let over = false;
  let answer: IncomingMessage | undefined;
  let upstream: ClientRequest;

  const fail = (error: unknown) => {
    over = true;
    upstream.destroy();
    if (res.headersSent || res.destroyed) {
      res.destroy();
      return;
    }
    const reason = error instanceof Error ? secret.coverText(error.message) : "unknown";
    const known = error instanceof WharfError ? error : new WharfError("model_unreachable", { route: name, reason });
    refuseWith({ req, res }, known, { error: apiError(route.api, known.status, known.message).error });
  };

  const open = (fresh: boolean): ClientRequest => {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    // A connection of its own where a kept one has just proved dead.
    const request = send(url, { method, headers, agent: fresh ? false : agent });
    limitConnecting(request);
    request.setTimeout(silentAtMost, () =>
      request.destroy(new Error(`nothing came for ${silentAtMost / 60_000} minutes`)),
    );
    request.once("response", (response) => {
      answer = response;
      upload.forget();
      relay(response);
    });
    request.on("error", (error) => {
      if (over || answer || request !== upstream) return;
      if (!request.reusedSocket || fresh || !upload.canRestart) return fail(error);
      upstream = open(true);
      upload.restart(upstream);
    });
    return request;
  };

  const relay = (response: IncomingMessage) => {
    const decoder = decoderFor(response);
    if (decoder === "unknown") {
      return fail(
        new WharfError("model_unreachable", {
          route: name,
          reason: "it answered in an encoding that was not asked for",
        }),
      );
    }
    res.writeHead(response.statusCode ?? 502, responseHeaders(response.headers, secret));
    res.flushHeaders();
    const filter = new SecretFilter(secret);
    filter.on("data", (chunk: Buffer) => (bytesOut += chunk.length));
    // An answer that breaks off destroys the response: it is reset, never ended as if it were whole.
    pipeline([response, ...(decoder ? [decoder] : []), filter, res], (error) => {
      if (error) upstream.destroy();
    });
  };

  upstream = open(false);
  const upload = new Upload(upstream, maxBodyBytes);
  res.once("close", () => {
    over = true;
    const complete = answer?.complete === true && res.writableFinished;
    if (!complete) upstream.destroy();
    const use = {
      route: name,
      status: res.headersSent ? res.statusCode : 0,
      request_id: requestId,
      bytes_in: upload.bytes,
      bytes_out: bytesOut,
    };
    hooks.modelRequest(context, { ...use, duration_ms: Math.round(performance.now() - started), complete });
  });
  upload.run(req.iterator({ destroyOnReturn: false })).catch(fail);
}

function limitConnecting(request: ClientRequest): void {
  request.once("socket", (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(
      () => request.destroy(new Error(`no connection within ${connectWithin / 1000} s`)),
      connectWithin,
    );
    const stop = () => clearTimeout(timer);
    socket.once("connect", stop).once("close", stop);
  });
}

/** Some servers compress although they were asked not to, and what is compressed cannot be looked through. */
function decoderFor(response: IncomingMessage): Transform | "unknown" | undefined {
  if (!isEncoded(response.headers)) return undefined;
  const encoding = response.headers["content-encoding"]?.toLowerCase();
  if (encoding === "gzip" || encoding === "x-gzip") return createGunzip();
  if (encoding === "br") return createBrotliDecompress();
  if (encoding === "deflate") return createInflate();
  if (encoding === "zstd") return createZstdDecompress();
  return "unknown";
}
