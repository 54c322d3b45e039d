import type { IncomingMessage, ServerResponse } from "node:http";
import { modelRoutes, WharfError } from "@wharf/contract";
import type { GatewayContext, GatewayHooks, ModelRoute } from "../context.ts";
import { hasBody } from "../forwarding.ts";
import { isClimbingPath } from "../paths.ts";
import { refuseRequest, refuseWithError } from "../refusal.ts";
import type { OnSecret } from "../secrets/index.ts";
import { isAllowedCall } from "./calls.ts";
import { ConnectionPools } from "./connections.ts";
import { createApiError, hasToken, removeCredentials } from "./credentials.ts";
import { Exchange } from "./exchange.ts";
import { defaultModelTimes, type ModelTimes } from "./model-times.ts";
import { BodyMemory } from "./request/body-memory.ts";
import { RouteUpstreams } from "./upstreams/route-upstreams.ts";

export interface ModelProxyOptions {
  readonly routes: Readonly<Record<string, ModelRoute>>;
  readonly hooks: GatewayHooks;
  readonly maxBodyBytes: number;
  readonly times?: Partial<ModelTimes> | undefined;
  /** Called with each new key that was read, which must not leave the server. */
  readonly onKey?: OnSecret | undefined;
}

/** Maximum number of open requests of one runner. */
const maxPerRunner = 64;

interface ModelTarget {
  readonly name: string;
  readonly route: ModelRoute;
  /** The path after the route's name. */
  readonly path: string;
  readonly query: string;
}

/**
 * Forwards `/models/<route>/<rest>` to `<base_url>/<rest>` of one of the route's upstreams, with
 * the real key, and streams the answer back.
 */
export function createModelProxy({ routes, hooks, maxBodyBytes, ...options }: ModelProxyOptions): {
  handle(context: GatewayContext, req: IncomingMessage, res: ServerResponse): void;
  close(): void;
} {
  const times = { ...defaultModelTimes, ...options.times };
  const pools = new ConnectionPools();
  const bodyMemory = new BodyMemory();
  const busy = new Map<string, number>();
  const upstreamsByRoute = new Map(
    Object.entries(routes).map(([name, route]) => [name, new RouteUpstreams(name, route, options.onKey)]),
  );

  const findTarget = (context: GatewayContext, req: IncomingMessage, res: ServerResponse): ModelTarget | undefined => {
    const match = /^\/models\/([A-Za-z0-9._-]+)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(req.url ?? "");
    const [, name = "", subpath = "", query = ""] = match ?? [];
    const route = getOwnRoute(routes, name);
    const api = (route ?? getOwnRoute(routes, context.model_route ?? ""))?.api ?? "openai";
    const denyRequest = (reason: string, error: WharfError): undefined => {
      hooks.denied(context, { host: `models/${name.slice(0, 100)}`, reason });
      refuseWithError({ req, res }, error, { error: createApiError(api, error.status, error.message).error });
    };
    if (!match || isClimbingPath(subpath))
      return denyRequest("no such model address", new WharfError("egress_denied", { host: "models" }));
    if (isConnectionTest(req, subpath) && name === context.model_route) {
      // The gateway answers this itself: the request carries no token and only tests whether the
      // server answers.
      res.writeHead(200).end();
      return undefined;
    }
    const routeProblem = getRouteProblem(routes, name, context.model_route);
    // A runner without a route has no token to show.
    if (routeProblem && context.model_route === undefined) return denyRequest(routeProblem.reason, routeProblem.error);
    if (!hasToken(req.headers, query, context.token)) {
      hooks.denied(context, {
        host: `models/${name.slice(0, 100)}`,
        reason: "the request does not have the run's token",
      });
      const body = createApiError(api, 401, "This token is not valid for this run.");
      refuseRequest(
        { req, res },
        { status: 401, type: "application/json", body, headers: { "x-should-retry": "false" } },
      );
      return undefined;
    }
    if (routeProblem) return denyRequest(routeProblem.reason, routeProblem.error);
    if (!route || upstreamsByRoute.get(name)?.serves(context.organization_id) !== true)
      return denyRequest("the server has no key for it", new WharfError("model_route_missing", { route: name }));
    const method = req.method ?? "";
    if (!isAllowedCall(route.api, method, subpath)) {
      const call = `${method} ${subpath.slice(0, 200)}`;
      return denyRequest(`a run may not call ${call}`, new WharfError("model_call_denied", { route: name, call }));
    }
    if (method !== "POST" && hasBody(req.headers)) {
      const issues = [{ path: "", message: `a ${method} request has no body` }];
      const error = new WharfError("bad_request", { issues });
      refuseWithError({ req, res }, error, { error: createApiError(api, error.status, error.message).error });
      return undefined;
    }
    return { name, route, path: subpath, query: removeCredentials(query) };
  };

  return {
    handle(context, req, res) {
      const running = busy.get(context.runner_id) ?? 0;
      if (running >= maxPerRunner)
        return refuseWithError({ req, res }, new WharfError("rate_limited", { retry_after_s: 1 }));
      const target = findTarget(context, req, res);
      const upstreams = target && upstreamsByRoute.get(target.name);
      if (!upstreams) return;
      const { route } = target;
      if (Number(req.headers["content-length"] ?? 0) > maxBodyBytes) {
        const error = new WharfError("body_too_large", { limit_bytes: maxBodyBytes });
        return refuseWithError({ req, res }, error, {
          error: createApiError(route.api, error.status, error.message).error,
        });
      }
      busy.set(context.runner_id, running + 1);
      res.once("close", () => {
        const remainingCount = (busy.get(context.runner_id) ?? 1) - 1;
        if (remainingCount > 0) busy.set(context.runner_id, remainingCount);
        else busy.delete(context.runner_id);
      });
      const connections = pools.open(context.run_id);
      res.once("close", () => connections[Symbol.dispose]());
      new Exchange(
        { context, ...target, upstreams, connections, maxBodyBytes, bodyMemory, times, hooks },
        { req, res },
      ).run();
    },
    close: () => pools.close(),
  };
}

const getOwnRoute = (routes: Readonly<Record<string, ModelRoute>>, name: string) =>
  Object.hasOwn(routes, name) ? routes[name] : undefined;

/** Some agents test the connection with an empty request before their first one. */
const isConnectionTest = (req: IncomingMessage, subpath: string): boolean =>
  req.method === "HEAD" && (subpath === "" || subpath === "/") && !hasBody(req.headers);

/** Returns why a run may not use the route that it names, if it may not. */
function getRouteProblem(
  routes: Readonly<Record<string, ModelRoute>>,
  name: string,
  ownRoute: string | undefined,
): { reason: string; error: WharfError } | undefined {
  const existing = [...new Set([...modelRoutes, ...Object.keys(routes)])];
  if (!existing.includes(name))
    return {
      reason: "there is no such model route",
      error: new WharfError("model_route_unknown", { route: name, existing }),
    };
  if (name !== ownRoute)
    return {
      reason: "this run may not use that model route",
      error: new WharfError("model_route_denied", { route: name, own: ownRoute }),
    };
  return undefined;
}
