import {
  type Endpoint,
  execApi,
  type ExecRequest,
  filesApi,
  rawFilesApi,
  runnerApi,
  terminalsApi,
  terminalStreams,
  urlOf,
  WharfError,
} from "@wharf/contract";
import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { RunCommands } from "../runs/index.ts";
import type { Peers } from "./peers.ts";
import {
  type HandMadeRunners,
  type Keys,
  type Orphans,
  type RunnerLinks,
  type SeenRunner,
  standaloneEnvironment,
} from "../runners/index.ts";
import type { Principal } from "../access/index.ts";
import { discardBody } from "./discard.ts";
import { bodyOf, callerOf, passThrough } from "./pass-through.ts";
import { type Call, register } from "./register.ts";

export interface RunnerModules {
  readonly handMade: HandMadeRunners;
  readonly keys: Keys;
  readonly runnerLinks: RunnerLinks;
  readonly orphans: Pick<Orphans, "list" | "removeAll">;
  readonly commands: Pick<RunCommands, "wakeRunner">;
  /** Other servers, where there may be any. */
  readonly peers?: Peers;
}

/** How long `wait` waits. What is made goes on being made. */
const settleTime = 50_000; // ms
/** How long a file's or a folder's bytes may be on their way up. */
const uploadTime = 3_600_000; // ms
/** A command is given this much longer than its own timeout to be ended and to say so. */
const execGrace = 10_000; // ms

/** Runners by hand: their lives, and what people and programs do in them. */
export async function serveRunnerRoutes(app: FastifyInstance, modules: RunnerModules): Promise<void> {
  serveLives(app, modules);
  serveCommands(app, modules);
  serveFiles(app, modules);
  serveTerminals(app, modules);
  await app.register(async (raw) => {
    // Bodies that go on to the runner as they are, whatever they say they hold.
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", (_request, _payload, done) => done(null, undefined));
    serveUploads(raw, modules);
  });
}

function serveLives(app: FastifyInstance, { handMade, orphans }: RunnerModules): void {
  const settled = async (principal: Principal, id: string): Promise<SeenRunner> => {
    await handMade.settled(id, AbortSignal.timeout(settleTime)).catch((error: unknown) => {
      // Its row says what it has come to.
      if (error instanceof WharfError && ["conflict", "not_found"].includes(error.code)) throw error;
    });
    return handMade.find(principal, id);
  };
  register(app, runnerApi.createRunner, async ({ principal, query, body }) => {
    const runner = await handMade.create(principal, body);
    return query.wait && !isReady(runner) ? settled(principal, runner.id) : runner;
  });
  register(app, runnerApi.listRunners, ({ principal, query }) => handMade.list(principal, query));
  register(app, runnerApi.listOrphans, async () => ({ orphans: await orphans.list() }));
  register(app, runnerApi.deleteOrphans, async () => ({ deleted: await orphans.removeAll() }));
  register(app, runnerApi.getRunner, ({ principal, params }) => handMade.find(principal, params.runner_id));
  register(app, runnerApi.deleteRunner, ({ principal, params }) => handMade.destroy(principal, params.runner_id));
  register(app, runnerApi.stopRunner, ({ principal, params }) => handMade.rest(principal, params.runner_id));
  register(app, runnerApi.startRunner, async ({ principal, params, query }) => {
    const runner = await handMade.wake(principal, params.runner_id);
    return query.wait ? settled(principal, runner.id) : runner;
  });
}

function serveCommands(app: FastifyInstance, modules: RunnerModules): void {
  const { runnerLinks } = modules;
  stream(app, runnerApi.execRunner, async ({ principal, params, body, reply }) => {
    const runner = await ready(modules, principal, params.runner_id);
    const request = json(execApi.exec, withEnvironment(modules, runner, body));
    return passThrough(reply, { use: runnerLinks.hold(runner), type: "application/x-ndjson", ...request });
  });
  app.route({
    ...routeOf(runnerApi.execRunnerOnce),
    handler: async (request, reply) => {
      const { principal, params, body } = callOf<typeof runnerApi.execRunnerOnce>(request);
      const runner = await ready(modules, principal, params.runner_id);
      const timeoutMs = body.timeout_s * 1000 + execGrace;
      const result = await runnerLinks.use(runner, (client) =>
        client.call(
          execApi.execOnce,
          { body: withEnvironment(modules, runner, body) },
          { timeoutMs, signal: callerOf(reply) },
        ),
      );
      return reply.send(result);
    },
  });
  register(app, runnerApi.writeRunnerCommand, async ({ principal, params: { runner_id, command_id }, body }) => {
    const runner = await ready(modules, principal, runner_id);
    // Answered when the command has read it: that is the command's time, not the runner's.
    const options = { timeoutMs: uploadTime };
    return runnerLinks.use(runner, (client) =>
      client.call(execApi.writeCommand, { params: { command_id }, body }, options),
    );
  });
  register(app, runnerApi.killRunnerCommand, async ({ principal, params: { runner_id, command_id }, body }) => {
    const runner = await ready(modules, principal, runner_id);
    return runnerLinks.use(runner, (client) => client.call(execApi.killCommand, { params: { command_id }, body }));
  });
  register(app, runnerApi.runnerLogs, async ({ principal, params, query }) => {
    const runner = await ready(modules, principal, params.runner_id);
    return runnerLinks.use(runner, (client) => client.call(terminalsApi.terminalHistory, { query }));
  });
  stream(app, runnerApi.followRunnerLogs, async ({ principal, params, query, reply }) => {
    const runner = await ready(modules, principal, params.runner_id);
    const path = urlOf(terminalStreams.stream, { query: { ...query, flow: "read" } });
    return passThrough(reply, { use: runnerLinks.hold(runner), type: "application/x-ndjson", method: "GET", path });
  });
}

function serveFiles(app: FastifyInstance, modules: RunnerModules): void {
  const { runnerLinks } = modules;
  register(app, runnerApi.listRunnerFiles, async ({ principal, params, query }) => {
    const runner = await ready(modules, principal, params.runner_id);
    return runnerLinks.use(runner, (client) => client.call(filesApi.listFolder, { body: query }));
  });
  register(app, runnerApi.statRunnerFile, async ({ principal, params, query }) => {
    const runner = await ready(modules, principal, params.runner_id);
    return runnerLinks.use(runner, (client) => client.call(filesApi.fileStats, { body: query }));
  });
  stream(app, runnerApi.downloadRunnerFile, async ({ principal, params, query, reply, request }) => {
    const runner = await ready(modules, principal, params.runner_id);
    const { range, "if-range": ifRange } = request.headers;
    const headers: OutgoingHttpHeaders = {
      ...(range && { range }),
      ...(ifRange && { "if-range": ifRange.toString() }),
    };
    const path = urlOf(rawFilesApi.download, { query });
    return passThrough(reply, { use: runnerLinks.hold(runner), method: "GET", path, headers });
  });
  stream(app, runnerApi.packRunnerFolder, async ({ principal, params, query, reply }) => {
    const runner = await ready(modules, principal, params.runner_id);
    const path = urlOf(rawFilesApi.packFolder, { query });
    return passThrough(reply, { use: runnerLinks.hold(runner), type: "application/x-tar", method: "GET", path });
  });
}

function serveUploads(app: FastifyInstance, modules: RunnerModules): void {
  const { runnerLinks } = modules;
  const up = async (call: Pick<StreamCall<Endpoint>, "principal" | "request" | "reply">, id: string, path: string) => {
    const runner = await ready(modules, call.principal, id);
    const length = call.request.headers["content-length"];
    const upload = {
      use: runnerLinks.hold(runner),
      type: "application/json",
      method: "PUT",
      path,
      headers: length === undefined ? {} : { "content-length": length },
      body: bodyOf(call.request),
      timeoutMs: uploadTime,
    } as const;
    return passThrough(call.reply, upload).catch(async (error: unknown) => {
      await discardBody(call.request.raw);
      throw error;
    });
  };
  stream(app, runnerApi.uploadRunnerFile, (call) =>
    up(call, call.params.runner_id, urlOf(rawFilesApi.upload, { query: call.query })),
  );
  stream(app, runnerApi.unpackRunnerFolder, (call) =>
    up(call, call.params.runner_id, urlOf(rawFilesApi.unpackFolder, { query: call.query })),
  );
}

function serveTerminals(app: FastifyInstance, modules: RunnerModules): void {
  const { runnerLinks } = modules;
  register(app, runnerApi.createRunnerTerminal, async ({ principal, params, body }) => {
    const runner = await ready(modules, principal, params.runner_id);
    return runnerLinks.use(runner, (client) =>
      client.call(terminalsApi.createTerminal, { body: withEnvironment(modules, runner, body) }),
    );
  });
  register(app, runnerApi.listRunnerTerminals, async ({ principal, params }) => {
    const runner = await ready(modules, principal, params.runner_id);
    return runnerLinks.use(runner, (client) => client.call(terminalsApi.terminals, {}));
  });
  register(app, runnerApi.removeRunnerTerminal, async ({ principal, params: { runner_id, terminal_id } }) => {
    const runner = await ready(modules, principal, runner_id);
    return runnerLinks.use(runner, (client) => client.call(terminalsApi.removeTerminal, { params: { terminal_id } }));
  });
}

/** The runner a person names; one that is still being made is waited for. */
export async function ready(
  { handMade, peers, commands }: RunnerModules,
  principal: Principal,
  id: string,
): Promise<SeenRunner> {
  const runner = await handMade.find(principal, id);
  await peers?.requireHere(runner.id);
  if (runner.owner_id === null && runner.desired === "STOPPED") await commands.wakeRunner(runner.id);
  if (runner.owner_id !== null && !isReady(runner)) await handMade.settled(runner.id, AbortSignal.timeout(settleTime));
  return runner;
}

const isReady = ({ state, desired }: SeenRunner) => state === "READY" && desired === "READY";

/** What a command is told comes before what its runner was told. */
export function withEnvironment<B extends Pick<ExecRequest, "environment">>(
  { keys }: Pick<RunnerModules, "keys">,
  runner: SeenRunner,
  body: B,
): B {
  return { ...body, environment: { ...standaloneEnvironment(runner, keys), ...body.environment } };
}

interface StreamCall<E extends Endpoint> extends Call<E> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Serves a route whose answer is handed on as it comes. */
function stream<E extends Endpoint>(
  app: FastifyInstance,
  route: E,
  handler: (call: StreamCall<E>) => Promise<FastifyReply>,
): void {
  app.route({
    ...routeOf(route),
    handler: (request, reply) => handler({ ...callOf<E>(request), request, reply }),
  });
}

function routeOf({ method, path, summary, params, query, body }: Endpoint) {
  const parts = { ...(params && { params }), ...(query && { querystring: query }), ...(body && { body }) };
  return { method, url: path, schema: { summary, ...parts } };
}

/** The contract's schemas have parsed these; Fastify's own types cannot say so for a route given as a value. */
const callOf = <E extends Endpoint>({ params, query, body, principal }: FastifyRequest): Call<E> =>
  ({ params, query, body, principal }) as Call<E>;

function json<E extends Endpoint>(route: E, body: unknown) {
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = { "content-type": "application/json", "content-length": bytes.length };
  return { method: route.method, path: route.path, headers, body: bytes };
}
