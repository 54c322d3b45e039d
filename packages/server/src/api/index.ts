/** The edges: REST by the contract's routes, live logs over WebSocket, errors as problem+json. */
import { createServer } from "node:http";
import { createInvalidRequestError } from "@wharf/contract";
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyRequest } from "fastify";
import type { z } from "zod";
import type { AccessWatch, Authenticator } from "../access/index.ts";
import { admitRequests } from "./http/admit-requests.ts";
import { auditRequests } from "./http/audit-requests.ts";
import { secretParam } from "./http/audited-operation.ts";
import type { ClientAddresses } from "./http/client-addresses.ts";
import { serveEntityTags } from "./http/entity-tags.ts";
import { refuseAddress, refuseBytes, setErrorHandlers } from "./http/errors.ts";
import { Guard, type GuardOptions } from "./http/guard.ts";
import { serveIdempotency } from "./http/idempotency.ts";
import { setJsonBodyParser } from "./http/json-body.ts";
import { requireNamedAccess } from "./http/named-access.ts";
import { RequestLimits, type RequestLimitOptions } from "./http/request-limits.ts";
import { watchLastingRequests } from "./http/watched-request.ts";
import { toWireValue } from "./http/wire-value.ts";
import { createOpenApiDocument } from "./openapi/openapi-document.ts";
import { serveLoginPages } from "./pages/login-pages.ts";
import { serveApiPage } from "./pages/serve-api-page.ts";
import { serveWeb } from "./pages/serve-web.ts";
import { OpenPreviews } from "./previews/open-previews.ts";
import { PreviewAddresses, type PreviewSite } from "./previews/preview-addresses.ts";
import { PreviewProxy } from "./previews/preview-proxy.ts";
import { type PreviewModules, servePreviewRoutes } from "./previews/preview-routes.ts";
import { PreviewUpstreams } from "./previews/preview-upstreams.ts";
import { serveAuditRoutes } from "./routes/audit-routes.ts";
import { oidcCallbackPath, serveLoginRoutes } from "./routes/login-routes.ts";
import { type ApiModules, serveRoutes } from "./routes/routes.ts";
import { serveRunnerRoutes } from "./routes/runner-routes.ts";
import { serveEventSources } from "./streams/event-source-routes.ts";
import { Streams } from "./streams/stream.ts";
import { ViewerStreams } from "./streams/viewer-streams.ts";
import { openTerminalStream } from "./terminals/runner-stream.ts";
import type { BranchModules } from "./workspace/answer-without-runner.ts";
import type { WorkspaceModules } from "./workspace/find-runner.ts";
import { serveWorkspaces } from "./workspace/workspace-routes.ts";

const maxBodyBytes = 1 << 20;
/** An upload may take long; the head of a request has a separate timeout. */
const requestTimeoutMs = 3_600_000;
const keepAliveMs = 72_000;

export interface ApiOptions {
  readonly guard: GuardOptions;
  readonly authenticator: Authenticator;
  readonly accessWatch: AccessWatch;
  readonly modules: ApiModules & WorkspaceModules & BranchModules & PreviewModules;
  /** Where previews are for browsers on other machines. */
  readonly previewSite?: PreviewSite | undefined;
  readonly clientAddresses: ClientAddresses;
  readonly requestLimits: RequestLimitOptions;
  /** Whether addresses of streams may have tokens. */
  readonly acceptsQueryTokens: boolean;
  readonly logger: FastifyBaseLogger;
}

/** Builds the HTTP server; the caller starts listening. */
export async function createApi({
  guard: guardOptions,
  authenticator,
  accessWatch,
  modules,
  logger,
  clientAddresses,
  requestLimits: requestLimitOptions,
  acceptsQueryTokens,
  previewSite,
}: ApiOptions): Promise<FastifyInstance> {
  const addresses = new PreviewAddresses({ site: previewSite, getPort: () => getListeningPort(app) });
  const previews = new PreviewProxy({
    addresses,
    previews: new OpenPreviews({ ...modules, accessWatch, authenticator }),
    upstreams: new PreviewUpstreams({ ...modules, clientAddresses, authenticator }),
    logger,
  });
  const app: FastifyInstance = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    forceCloseConnections: true,
    frameworkErrors: refuseAddress,
    clientErrorHandler: refuseBytes,
    // The longest id, with each of its characters escaped.
    routerOptions: { maxParamLength: 600 },
    // A preview's host has none of the API.
    serverFactory: (answer) =>
      createServer(
        { requireHostHeader: false, requestTimeout: requestTimeoutMs, keepAliveTimeout: keepAliveMs },
        (request, response) =>
          previews.accepts(request) ? void previews.serve(request, response) : answer(request, response),
      ),
  });
  const guard = new Guard(guardOptions);
  const requestLimits = new RequestLimits(requestLimitOptions);
  app.setValidatorCompiler(({ schema, httpPart }) => {
    const request = schema as unknown as z.ZodType;
    return (data: unknown) => {
      // Fastify uses null for a missing body; the contract's defaults apply to undefined.
      const isMissing = data === null && httpPart === "body";
      const { data: value, error } = request.safeParse(isMissing ? undefined : data);
      return error ? { error: createInvalidRequestError(error) } : { value };
    };
  });
  app.setSerializerCompiler(({ schema }) => {
    const response = schema as unknown as z.ZodType;
    return (data) => JSON.stringify(response.parse(toWireValue(data)));
  });
  setJsonBodyParser(app);
  setErrorHandlers(app, { bodyBytes: maxBodyBytes, peers: modules.peers });
  app.decorateRequest("clientAddress", {
    getter() {
      return clientAddresses.find(this.raw);
    },
  });
  // A repeated request is not recorded again.
  serveIdempotency(app, {
    keys: modules.idempotencyKeys,
    isStoredElsewhere: ({ raw }) => clientAddresses.isForwarded(raw),
    requireAccess: (request) => requireNamedAccess(request, modules),
  });
  auditRequests(app, {
    audit: modules.audit,
    isRecordedElsewhere: ({ raw }) => clientAddresses.isForwarded(raw),
    findFullId: (kind, id, organizationId) => modules.auditReader.findFullId(kind, id, organizationId),
  });
  serveEntityTags(app);
  admitRequests(app, {
    guard,
    authenticator,
    accessWatch,
    clientAddresses,
    requestLimits,
    acceptsQueryTokens,
  });
  watchLastingRequests(app, { accessWatch, modules });
  app.addHook("onResponse", async (request, reply) => {
    request.log.debug(
      {
        method: request.method,
        url: getLoggedUrl(request),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      "request",
    );
  });
  serveRoutes(app, modules);
  serveLoginRoutes(app, modules);
  await serveLoginPages(app, modules);
  await serveRunnerRoutes(app, modules);
  await serveWorkspaces(app, modules);
  servePreviewRoutes(app, modules, addresses);
  serveAuditRoutes(app, modules);
  serveApiPage(app);
  await serveWeb(app, { ...modules, addresses });
  app.get("/api/v1/openapi.json", async (_request, reply) =>
    reply.type("application/json; charset=utf-8").send((openApiText ??= JSON.stringify(createOpenApiDocument()))),
  );
  const viewerStreams = new ViewerStreams(modules);
  const streams = new Streams(app.server, {
    clientAddresses,
    guard,
    authenticator,
    requestLimits,
    accessWatch,
    streamTickets: modules.streamTickets,
    acceptsQueryTokens,
    logger,
    streams: viewerStreams,
    peers: modules.peers,
    audit: modules.audit,
    previews,
    more: (url, sender) => openTerminalStream(modules, url, sender),
  });
  serveEventSources(app, { streams: viewerStreams, accessWatch, viewers: streams });
  app.addHook("preClose", async () => {
    previews.close();
    await streams.close();
  });
  return app;
}

function getListeningPort({ server }: FastifyInstance): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Creating the document takes a tenth of a second, so it is created once, and only on demand. */
let openApiText: string | undefined;

/**
 * An address may contain the secret of a link, the code of a login provider, or the ticket or token
 * of a stream.
 */
function getLoggedUrl({ url, routeOptions: { url: route = "" } }: FastifyRequest): string {
  if (route.endsWith(`:${secretParam}`) || route === oidcCallbackPath) return route;
  return url.replace(/([?&])(ticket|token)=[^&]*/g, "$1$2=…");
}

export { listenInFolder } from "./http/folder-socket.ts";
export { listenOnSecondLoopback } from "./http/second-loopback.ts";
export { ClientAddresses } from "./http/client-addresses.ts";
export { oidcCallbackPath };
export { Peers } from "./http/peers.ts";
