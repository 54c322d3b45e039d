import { eventStreamType, WharfError } from "@wharf/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import {
  type AccessWatch,
  type Authenticator,
  type Caller,
  createScope,
  type Credentials,
} from "../../access/index.ts";
import type { ClientAddresses } from "./client-addresses.ts";
import { allowPage, describePreflight } from "./cors.ts";
import type { Guard } from "./guard.ts";
import { KnownPaths } from "./known-paths.ts";
import { requireAcceptable, requirePlainBody } from "./negotiation.ts";
import { formatQuota, type RequestLimits, requireQuota } from "./request-limits.ts";
import { securityHeaders } from "./security-headers.ts";
import { getCredentials, requireOwnPage } from "./session-cookie.ts";
import { getStreamCredentials } from "./stream-credentials.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether requests do not count for the limits, such as those for pages. */
    isUncounted?: boolean;
  }
}

export interface AdmissionOptions {
  readonly guard: Guard;
  readonly authenticator: Authenticator;
  readonly accessWatch: AccessWatch;
  readonly clientAddresses: ClientAddresses;
  readonly requestLimits: RequestLimits;
  /** Whether addresses of streams may have tokens. */
  readonly acceptsQueryTokens: boolean;
}

/**
 * Decides about each request before its body is read:
 *
 *   host and page ── method of the path ── sender ── quota ── permission ── types ──► route
 *        403          405, OPTIONS: 204     401       429        403       406, 415
 *
 * A sender without valid credentials has the quota of its address, so that guessing tokens is
 * limited too.
 */
export function admitRequests(app: FastifyInstance, options: AdmissionOptions): void {
  const { guard, authenticator, accessWatch, clientAddresses, requestLimits, acceptsQueryTokens } = options;
  const knownPaths = new KnownPaths(app);

  const count = (request: FastifyRequest, reply: FastifyReply, caller?: Caller): void => {
    const { endpoint, isUncounted = endpoint?.isUncounted } = request.routeOptions.config;
    // The server that forwarded a request has counted it.
    if (isUncounted === true || clientAddresses.isForwarded(request.raw)) return;
    const quota = requestLimits.count(caller, request.clientAddress);
    if (quota) void reply.headers(formatQuota(quota));
    requireQuota(quota);
  };

  app.addHook("onRequest", async (request, reply) => {
    void reply.headers(securityHeaders);
    const { endpoint, needs = "token" } = request.routeOptions.config;
    const methods = request.is404 ? knownPaths.findMethods(request.url) : [];
    const page = guard.check(request.raw, endpoint !== undefined || methods.length > 0);
    if (page !== "own") allowPage(request, reply, page);
    if (methods.length > 0) {
      count(request, reply);
      return refuseMethod(request, reply, methods);
    }
    if (needs === "nothing") count(request, reply);
    else {
      request.accessTime = accessWatch.time;
      const credentials =
        endpoint?.responseType === eventStreamType
          ? getStreamCredentials(request.raw, { acceptsQueryTokens })
          : getCredentials(request.headers);
      request.caller = await authenticateSender(authenticator, credentials, (caller) => count(request, reply, caller));
      const isBrowser = request.caller.session?.kind === "browser" && credentials.ticket === undefined;
      if (isBrowser) requireOwnPage(request.raw, page);
      request.scope = createScope(request.caller, needs);
    }
    if (endpoint) requireAcceptable(endpoint, request.headers);
    requirePlainBody(request.headers);
    return undefined;
  });
}

/** Authenticates a sender, and counts the request also if it is refused. */
export async function authenticateSender(
  authenticator: Authenticator,
  credentials: Credentials,
  count: (caller?: Caller) => void,
): Promise<Caller> {
  const caller = await authenticator.authenticate(credentials).catch((error: unknown) => {
    if (error instanceof WharfError && error.status === 401) count();
    throw error;
  });
  count(caller);
  return caller;
}

/** Answers OPTIONS, also that of a browser before it sends another page's request. */
function refuseMethod({ method, url }: FastifyRequest, reply: FastifyReply, methods: readonly string[]): FastifyReply {
  const allowed = methods.join(", ");
  void reply.header("allow", allowed);
  if (method !== "OPTIONS")
    throw new WharfError("method_not_allowed", { method, path: url.split("?")[0] ?? "", allowed });
  if (reply.hasHeader("access-control-allow-origin")) void reply.headers(describePreflight(methods));
  return reply.status(204).send();
}
