import {
  type Endpoint,
  type ServerEndpoint,
  getEndpointUrl,
  gitApi,
  previewRoutes,
  runnerWorkspaceApi,
  taskWorkspaceApi,
  WharfError,
  type WorkspaceRouteName,
  workspaceRoutes,
} from "@wharf/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { RunnerWithRun } from "../../runners/index.ts";
import { discardBody } from "../http/discard-body.ts";
import { createRequestBody, getCallerSignal, type PassedType, passThrough, sendBytes } from "../http/pass-through.ts";
import { acceptsEvents, getEventOffset } from "../http/server-sent-events.ts";
import { answerWithoutRunner, type BranchModules } from "./answer-without-runner.ts";
import { completeBody, completeQuery, getRunOfRunner } from "./complete-request.ts";
import { findRunner, findTaskRunner, type FindRunner, type WorkspaceModules } from "./find-runner.ts";
import { getCallTimeout, maxContentBodyBytes, uploadTimeoutMs } from "./limits.ts";
import { serveWorkspaceInfo } from "./workspace-info.ts";

/** A route of the server, and the daemon's route of the same name that answers it. */
interface WorkspaceRoute {
  readonly name: WorkspaceRouteName;
  readonly route: ServerEndpoint;
  readonly daemonRoute: Endpoint;
  readonly findRunner: FindRunner;
}

type ServedModules = WorkspaceModules & BranchModules;

const TaskParams = z.object({ task_id: z.string() });
const RunnerParams = z.object({ runner_id: z.string() });

/**
 * Serves the workspaces of tasks and runners. Each request goes to the runner's daemon: the route
 * of the same name. The contract's schemas check it here; the daemon checks what only it can, such
 * as where a path leads.
 */
export async function serveWorkspaces(app: FastifyInstance, modules: ServedModules): Promise<void> {
  serveWorkspaceInfo(app, modules);
  const findByTask: FindRunner = (scope, params) => findTaskRunner(modules, scope, TaskParams.parse(params).task_id);
  const findByRunner: FindRunner = (scope, params) => findRunner(modules, scope, RunnerParams.parse(params).runner_id);
  const routes = [...listRoutes(taskWorkspaceApi, findByTask), ...listRoutes(runnerWorkspaceApi, findByRunner)];
  const [uploads, others] = [routes.filter(isUpload), routes.filter((one) => !isUpload(one))];
  for (const one of others) {
    // The server itself answers these.
    if (one.name in previewRoutes) continue;
    if (one.name === "gitPush") servePush(app, modules, one);
    else if (one.route.response === "stream") serveStream(app, modules, one);
    else serveCall(app, modules, one);
  }
  await app.register(async (raw) => {
    // These bodies are passed to the runner unchanged, regardless of their content type.
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", (_request, _payload, callback) => callback(null, undefined));
    for (const one of uploads) serveUpload(raw, modules, one);
  });
}

const isUpload = ({ route }: WorkspaceRoute): boolean => route.bodyType !== undefined;

const listRoutes = (
  routes: Readonly<Record<WorkspaceRouteName, ServerEndpoint>>,
  findRunner: FindRunner,
): WorkspaceRoute[] =>
  Object.entries<Endpoint>(workspaceRoutes).map(([key, daemonRoute]) => {
    // The keys of an object are texts to the type of its entries.
    const name = key as WorkspaceRouteName;
    return { name, route: routes[name], daemonRoute, findRunner };
  });

/** Finds the runner that answers a request, or the answer if the task's branch suffices. */
async function findPlace(
  modules: ServedModules,
  one: WorkspaceRoute,
  call: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): Promise<{ readonly runner: RunnerWithRun } | { readonly answer: unknown }> {
  try {
    return { runner: await one.findRunner(call.request.scope, call.request.params) };
  } catch (error) {
    return { answer: await answerWithoutRunner(modules, { name: one.name, ...call }, error) };
  }
}

/** Serves a route whose answer is one JSON value. */
function serveCall(app: FastifyInstance, modules: ServedModules, one: WorkspaceRoute): void {
  app.route({
    ...toRouteOptions(one.route),
    handler: async (request, reply) => {
      const found = await findPlace(modules, one, { request, reply });
      if ("answer" in found) return reply.send(found.answer);
      const { runner } = found;
      const body = await completeBody(modules, { name: one.name, runner, request });
      const parts = { ...getRequestParts(request), query: await completeQuery(modules, { ...one, runner, request }) };
      const options = { timeoutMs: getCallTimeout(one.name, body), signal: getCallerSignal(reply) };
      const answer = await modules.runnerLinks.use(runner, (client) =>
        client.call(one.daemonRoute, { ...parts, ...(body !== undefined && { body }) }, options),
      );
      return reply.status(one.route.status ?? 200).send(answer);
    },
  });
}

/**
 * Serves the delivery of the task's branch. Whatever its newest commit is, it takes the way of the
 * commits that Wharf made itself, with their checks and retries.
 */
function servePush(app: FastifyInstance, modules: ServedModules, one: WorkspaceRoute): void {
  app.route({
    ...toRouteOptions(one.route),
    handler: async (request, reply) => {
      const { scope } = request;
      const runner = await one.findRunner(scope, request.params);
      const { id: runId, task_id: taskId } = await getRunOfRunner(modules, scope, runner);
      const { shadow_branch: revision } = await modules.tasks.find(scope, taskId);
      const { commits } = await modules.runnerLinks.use(runner, (client) =>
        client.call(gitApi.gitLog, { query: { revision, limit: 1 } }, { signal: getCallerSignal(reply) }),
      );
      const [newest] = commits;
      if (!newest) throw new WharfError("no_commit", { task_id: taskId });
      const push = { run_id: runId, runner_id: runner.id, sha: newest.sha, by: scope.user_id };
      return reply.status(one.route.status ?? 200).send(await modules.commands.requestPush(taskId, push));
    },
  });
}

/** Serves a route whose answer is a stream of lines or bytes. */
function serveStream(app: FastifyInstance, modules: ServedModules, one: WorkspaceRoute): void {
  app.route({
    ...toRouteOptions(one.route),
    handler: async (request, reply) => {
      const found = await findPlace(modules, one, { request, reply });
      const type = getAnswerType(one.route, request);
      if ("answer" in found) return sendBytes(reply, type, found.answer);
      const { runner } = found;
      const body = await completeBody(modules, { name: one.name, runner, request });
      const query = {
        ...(await completeQuery(modules, { ...one, runner, request })),
        ...(type === "text/event-stream" && getEventQuery(one, request)),
      };
      const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      return passThrough(reply, {
        use: modules.runnerLinks.acquire(runner),
        type,
        method: one.daemonRoute.method,
        path: getEndpointUrl(one.daemonRoute, { ...getRequestParts(request), query }),
        headers: {
          ...pickHeaders(request, ["range", "if-range"]),
          ...(bytes && { "content-type": "application/json", "content-length": bytes.length }),
        },
        ...(bytes && { body: bytes }),
      });
    },
  });
}

/** Serves a route whose body is a stream of bytes. */
function serveUpload(app: FastifyInstance, modules: ServedModules, one: WorkspaceRoute): void {
  app.route({
    ...toRouteOptions(one.route),
    handler: async (request, reply) => {
      try {
        const runner = await one.findRunner(request.scope, request.params);
        return await passThrough(reply, {
          use: modules.runnerLinks.acquire(runner),
          type: "application/json",
          method: one.daemonRoute.method,
          path: getEndpointUrl(one.daemonRoute, getRequestParts(request)),
          headers: pickHeaders(request, ["content-length", "if-match"]),
          body: createRequestBody(request),
          timeoutMs: uploadTimeoutMs,
        });
      } catch (error) {
        await discardBody(request.raw);
        throw error;
      }
    },
  });
}

const toRouteOptions = (endpoint: ServerEndpoint) => ({
  method: endpoint.method,
  url: endpoint.path,
  config: { endpoint, needs: endpoint.needs, isWatched: true },
  bodyLimit: maxContentBodyBytes,
  schema: createRouteSchema(endpoint),
  // Fastify uses null for a missing body; the contract's defaults apply to undefined.
  preValidation: async (request: FastifyRequest) => {
    if (request.body === null) request.body = undefined;
  },
});

const createRouteSchema = ({ params, query, body }: ServerEndpoint) => ({
  ...(params && { params }),
  ...(query && { querystring: query }),
  ...(body && { body }),
});

const Parts = z.record(z.string(), z.unknown());

/** Returns the parts of a request's address, which the contract's schemas have parsed. */
const getRequestParts = ({ params, query }: FastifyRequest) => ({
  params: Parts.parse(params),
  query: Parts.parse(query),
});

function pickHeaders({ headers }: FastifyRequest, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => (typeof headers[name] === "string" ? [[name, headers[name]] as const] : [])),
  );
}

const StreamQuery = z.object({ format: z.enum(["ndjson", "sse", "frames"]).optional() });

function getAnswerType({ responseType, hasEvents }: Endpoint, request: FastifyRequest): PassedType {
  if (responseType === "application/x-tar" || responseType === "application/octet-stream") return responseType;
  const { format } = StreamQuery.parse(request.query);
  if (format === "frames") return "application/octet-stream";
  const isEvents = format === "sse" || (hasEvents === true && acceptsEvents(request));
  return isEvents ? "text/event-stream" : "application/x-ndjson";
}

/** The daemon sends lines, which become events, from the offset that the client has. */
function getEventQuery({ daemonRoute }: WorkspaceRoute, request: FastifyRequest): Record<string, unknown> {
  const fields = daemonRoute.query?.shape ?? {};
  return { ...("format" in fields && { format: "ndjson" }), ...("after" in fields && getEventOffset(request)) };
}
