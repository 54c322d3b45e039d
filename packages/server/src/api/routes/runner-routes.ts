import type { OutgoingHttpHeaders } from "node:http";
import {
  type Endpoint,
  type ServerEndpoint,
  execApi,
  type ExecRequest,
  filesApi,
  rawFilesApi,
  runnerApi,
  terminalsApi,
  terminalStreams,
  getEndpointUrl,
  WharfError,
} from "@wharf/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Scope } from "../../access/index.ts";
import type { KnownSecrets } from "../../redaction/index.ts";
import {
  type StandaloneRunners,
  type Keys,
  type Orphans,
  type RunnerLinks,
  type RunnerWithRun,
  createStandaloneEnvironment,
} from "../../runners/index.ts";
import type { RunCommands } from "../../runs/index.ts";
import { nameRows } from "../../store/index.ts";
import { discardBody } from "../http/discard-body.ts";
import { createRequestBody, getCallerSignal, passThrough } from "../http/pass-through.ts";
import type { Peers } from "../http/peers.ts";
import { type EndpointCall, registerRoute } from "../http/register-route.ts";
import { acceptsEvents, getEventOffset } from "../http/server-sent-events.ts";

export interface RunnerModules {
  readonly standaloneRunners: StandaloneRunners;
  readonly keys: Keys;
  readonly runnerLinks: RunnerLinks;
  readonly secrets: KnownSecrets;
  readonly orphans: Pick<Orphans, "list" | "removeAll">;
  readonly commands: Pick<RunCommands, "startRunner">;
  /** The other servers, if the installation may have several. */
  readonly peers?: Peers;
}

/** Maximum time that `wait` waits. The creation of the runner continues afterwards. */
const settleTimeoutMs = 50_000;
/** Maximum duration of an upload of a file or folder. */
const uploadTimeoutMs = 3_600_000;
/** Time in addition to a command's own timeout, for ending the command and reporting that. */
const execGraceMs = 10_000;

/** Routes of standalone runners: their lifecycle, and the commands, files and terminals in them. */
export async function serveRunnerRoutes(app: FastifyInstance, modules: RunnerModules): Promise<void> {
  serveLifecycle(app, modules);
  serveCommands(app, modules);
  serveFiles(app, modules);
  serveTerminals(app, modules);
  await app.register(async (raw) => {
    // These bodies are passed to the runner unchanged, regardless of their content type.
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", (_request, _payload, callback) => callback(null, undefined));
    serveUploads(raw, modules);
  });
}

function serveLifecycle(app: FastifyInstance, { standaloneRunners, orphans }: RunnerModules): void {
  const getSettledRunner = async (scope: Scope, id: string): Promise<RunnerWithRun> => {
    await standaloneRunners.waitUntilReady(id, AbortSignal.timeout(settleTimeoutMs)).catch((error: unknown) => {
      // The runner's row contains the outcome.
      if (error instanceof WharfError && ["runner_not_running", "runner_not_found"].includes(error.code)) throw error;
    });
    return standaloneRunners.get(scope, id);
  };
  registerRoute(app, runnerApi.createRunner, async ({ scope, query, body }) => {
    const runner = await standaloneRunners.create(scope, body);
    return query.wait && !isReady(runner) ? getSettledRunner(scope, runner.id) : runner;
  });
  registerRoute(app, runnerApi.listRunners, ({ scope, query }) => standaloneRunners.list(scope, query));
  registerRoute(app, runnerApi.listOrphans, async ({ query }) => nameRows("orphans", await orphans.list(query)));
  registerRoute(app, runnerApi.deleteOrphans, async () => ({ deleted: await orphans.removeAll() }));
  registerRoute(app, runnerApi.getRunner, ({ scope, params }) =>
    standaloneRunners.getWithDetails(scope, params.runner_id),
  );
  registerRoute(app, runnerApi.deleteRunner, ({ scope, params }) => standaloneRunners.destroy(scope, params.runner_id));
  registerRoute(app, runnerApi.stopRunner, ({ scope, params }) => standaloneRunners.stop(scope, params.runner_id));
  registerRoute(app, runnerApi.startRunner, async ({ scope, params, query }) => {
    const runner = await standaloneRunners.start(scope, params.runner_id);
    return query.wait ? getSettledRunner(scope, runner.id) : runner;
  });
}

function serveCommands(app: FastifyInstance, modules: RunnerModules): void {
  const { runnerLinks } = modules;
  registerStream(app, runnerApi.execRunner, async ({ scope, params, body, request: { headers }, reply }) => {
    const runner = await getReadyRunner(modules, scope, params.runner_id);
    const request = createJsonRequest(execApi.exec, addEnvironment(modules, runner, body));
    return passThrough(reply, { use: runnerLinks.acquire(runner), type: getLinesType({ headers }), ...request });
  });
  app.route({
    ...toWatchedOptions(runnerApi.execRunnerOnce),
    handler: async (request, reply) => {
      const { scope, params, body } = toEndpointCall<typeof runnerApi.execRunnerOnce>(request);
      const runner = await getReadyRunner(modules, scope, params.runner_id);
      const timeoutMs = body.timeout_s * 1000 + execGraceMs;
      const result = await runnerLinks.use(runner, (client) =>
        client.call(
          execApi.execOnce,
          { body: addEnvironment(modules, runner, body) },
          { timeoutMs, signal: getCallerSignal(reply) },
        ),
      );
      return reply.send(result);
    },
  });
  registerRoute(app, runnerApi.writeRunnerCommand, async ({ scope, params: { runner_id, command_id }, body }) => {
    const runner = await getReadyRunner(modules, scope, runner_id);
    // The daemon answers when the command has read the input, so the time depends on the command
    // and not on the runner.
    const options = { timeoutMs: uploadTimeoutMs };
    return runnerLinks.use(runner, (client) =>
      client.call(execApi.writeCommand, { params: { command_id }, body }, options),
    );
  });
  registerRoute(app, runnerApi.killRunnerCommand, async ({ scope, params: { runner_id, command_id }, body }) => {
    const runner = await getReadyRunner(modules, scope, runner_id);
    return runnerLinks.use(runner, (client) => client.call(execApi.killCommand, { params: { command_id }, body }));
  });
  registerRoute(app, runnerApi.runnerLogs, async ({ scope, params, query }) => {
    const runner = await getReadyRunner(modules, scope, params.runner_id);
    return runnerLinks.use(runner, (client) => client.call(terminalsApi.terminalHistory, { query }));
  });
  registerStream(app, runnerApi.followRunnerLogs, async ({ scope, params, query, request, reply }) => {
    const type = getLinesType(request);
    const offset = type === "text/event-stream" ? getEventOffset(request) : {};
    const runner = await getReadyRunner(modules, scope, params.runner_id);
    const path = getEndpointUrl(terminalStreams.stream, { query: { ...query, ...offset, flow: "read" } });
    return passThrough(reply, { use: runnerLinks.acquire(runner), type, method: "GET", path });
  });
}

function serveFiles(app: FastifyInstance, modules: RunnerModules): void {
  const { runnerLinks } = modules;
  registerRoute(app, runnerApi.listRunnerFiles, async ({ scope, params, query }) => {
    const runner = await getReadyRunner(modules, scope, params.runner_id);
    return runnerLinks.use(runner, (client) => client.call(filesApi.listFolder, { body: query }));
  });
  registerRoute(app, runnerApi.statRunnerFile, async ({ scope, params, query }) => {
    const runner = await getReadyRunner(modules, scope, params.runner_id);
    return runnerLinks.use(runner, (client) => client.call(filesApi.fileStats, { body: query }));
  });
  registerStream(app, runnerApi.downloadRunnerFile, async ({ scope, params, query, reply, request }) => {
    const runner = await getReadyRunner(modules, scope, params.runner_id);
    const { range, "if-range": ifRange } = request.headers;
    const headers: OutgoingHttpHeaders = {
      ...(range && { range }),
      ...(ifRange && { "if-range": ifRange.toString() }),
    };
    const path = getEndpointUrl(rawFilesApi.download, { query });
    return passThrough(reply, { use: runnerLinks.acquire(runner), method: "GET", path, headers });
  });
  registerStream(app, runnerApi.packRunnerFolder, async ({ scope, params, query, reply }) => {
    const runner = await getReadyRunner(modules, scope, params.runner_id);
    const path = getEndpointUrl(rawFilesApi.packFolder, { query });
    return passThrough(reply, { use: runnerLinks.acquire(runner), type: "application/x-tar", method: "GET", path });
  });
}

function serveUploads(app: FastifyInstance, modules: RunnerModules): void {
  const { runnerLinks } = modules;
  const forwardUpload = async (
    call: Pick<StreamedCall<Endpoint>, "scope" | "request" | "reply">,
    id: string,
    path: string,
  ) => {
    const runner = await getReadyRunner(modules, call.scope, id);
    const { "content-length": length, "if-match": ifMatch } = call.request.headers;
    const upload = {
      use: runnerLinks.acquire(runner),
      type: "application/json",
      method: "PUT",
      path,
      headers: { ...(length !== undefined && { "content-length": length }), ...(ifMatch && { "if-match": ifMatch }) },
      body: createRequestBody(call.request),
      timeoutMs: uploadTimeoutMs,
    } as const;
    return passThrough(call.reply, upload).catch(async (error: unknown) => {
      await discardBody(call.request.raw);
      throw error;
    });
  };
  registerStream(app, runnerApi.uploadRunnerFile, (call) =>
    forwardUpload(call, call.params.runner_id, getEndpointUrl(rawFilesApi.upload, { query: call.query })),
  );
  registerStream(app, runnerApi.unpackRunnerFolder, (call) =>
    forwardUpload(call, call.params.runner_id, getEndpointUrl(rawFilesApi.unpackFolder, { query: call.query })),
  );
}

function serveTerminals(app: FastifyInstance, modules: RunnerModules): void {
  const { runnerLinks } = modules;
  registerRoute(app, runnerApi.createRunnerTerminal, async ({ scope, params, body }) => {
    const runner = await getReadyRunner(modules, scope, params.runner_id);
    return runnerLinks.use(runner, (client) =>
      client.call(terminalsApi.createTerminal, { body: addEnvironment(modules, runner, body) }),
    );
  });
  registerRoute(app, runnerApi.listRunnerTerminals, async ({ scope, params }) => {
    const runner = await getReadyRunner(modules, scope, params.runner_id);
    return runnerLinks.use(runner, (client) => client.call(terminalsApi.terminals, {}));
  });
  registerRoute(app, runnerApi.removeRunnerTerminal, async ({ scope, params: { runner_id, terminal_id } }) => {
    const runner = await getReadyRunner(modules, scope, runner_id);
    return runnerLinks.use(runner, (client) => client.call(terminalsApi.removeTerminal, { params: { terminal_id } }));
  });
}

/** Returns the runner that a person names, after waiting until it is ready. */
export async function getReadyRunner(
  { standaloneRunners, peers, commands }: RunnerModules,
  scope: Scope,
  id: string,
): Promise<RunnerWithRun> {
  const runner = await standaloneRunners.get(scope, id);
  await peers?.requireLocalRunner(runner.id);
  if (runner.owner_id === null && runner.desired === "STOPPED") await commands.startRunner(runner.id);
  if (runner.owner_id !== null && !isReady(runner))
    await standaloneRunners.waitUntilReady(runner.id, AbortSignal.timeout(settleTimeoutMs));
  return runner;
}

const isReady = ({ state, desired }: RunnerWithRun) => state === "READY" && desired === "READY";

/** The environment of a command takes precedence over that of its runner. */
export function addEnvironment<B extends Pick<ExecRequest, "environment">>(
  { keys }: Pick<RunnerModules, "keys">,
  runner: RunnerWithRun,
  body: B,
): B {
  return { ...body, environment: { ...createStandaloneEnvironment(runner, keys), ...body.environment } };
}

interface StreamedCall<E extends Endpoint> extends EndpointCall<E> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

const getLinesType = (request: Pick<FastifyRequest, "headers">) =>
  acceptsEvents(request) ? ("text/event-stream" as const) : ("application/x-ndjson" as const);

/** Serves a route whose answer is streamed. */
function registerStream<E extends ServerEndpoint>(
  app: FastifyInstance,
  route: E,
  handler: (call: StreamedCall<E>) => Promise<FastifyReply>,
): void {
  app.route({
    ...toWatchedOptions(route),
    handler: (request, reply) => handler({ ...toEndpointCall<E>(request), request, reply }),
  });
}

/** The options of a route whose requests may last. */
function toWatchedOptions(route: ServerEndpoint) {
  const { method, path, params, query, body, needs } = route;
  const parts = { ...(params && { params }), ...(query && { querystring: query }), ...(body && { body }) };
  return { method, url: path, schema: parts, config: { endpoint: route, needs, isWatched: true } };
}

/**
 * The contract's schemas have parsed these; Fastify's types cannot express that for a route passed
 * as a value.
 */
const toEndpointCall = <E extends Endpoint>(request: FastifyRequest): EndpointCall<E> => {
  const { params, query, body, scope, expectedVersions: expected } = request;
  return { params, query, body, scope, expected } as EndpointCall<E>;
};

function createJsonRequest<E extends Endpoint>(route: E, body: unknown) {
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = { "content-type": "application/json", "content-length": bytes.length };
  return { method: route.method, path: route.path, headers, body: bytes };
}
