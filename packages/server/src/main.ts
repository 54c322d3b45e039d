import { createHash } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import type { Logger } from "pino";
import { ensureOwner, secretFile } from "./access/index.ts";
import { AgentTypes } from "./agent-types/index.ts";
import { createApi } from "./api/index.ts";
import {
  createDockerBackend,
  createKubernetesBackend,
  createLocalBackend,
  farAway,
  type LocalBackend,
  MockBackend,
} from "./backends/index.ts";
import type { Config } from "./config.ts";
import { Log } from "./events/index.ts";
import { createGateway, openMirrors } from "./gateway/index.ts";
import { createLogger } from "./logger.ts";
import { gatewayHooks } from "./gateway-hooks.ts";
import { HandMadeRunners, isAtWork, keysFrom, openOwnLink, RunnerLinks, Runners, WarmPool } from "./runners/index.ts";
import {
  defaultRunTimes,
  type Links,
  RunCommands,
  type RunDeps,
  RunQueries,
  type RunTimes,
  Maintenance,
  maintenanceBell,
  Pruning,
  Removal,
  Scheduler,
  TaskDiffs,
  Wakeup,
} from "./runs/index.ts";
import { lockDataFolder } from "./store/data-folder-lock.ts";
import { startEmbeddedPostgres } from "./store/embedded/index.ts";
import { migrate, openDatabase } from "./store/index.ts";
import { Boards, Tasks } from "./tasks/index.ts";

export interface ServerOptions {
  readonly config: Config;
  /** The folder with the daemon and the agents, which is put into every runner. */
  readonly kit: string;
  readonly version: string;
  readonly times?: Partial<RunTimes>;
  /** What the server's own git may know of the machine: where its user's keys and helpers are. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** Resolves when the server has stopped, for whatever reason. */
  readonly stopped: Promise<void>;
  /** Stops the server; runners stay at work unless they are asked to end too. */
  stop(options?: { runners: boolean }): Promise<void>;
}

/** How long runs may take to end when the server is taken down with its runners; what is left is ended by the next start. */
const takeDownTime = 30_000; // ms

/** Where a client finds the server of a data folder; there while it serves. */
export const addressFile = "server.json";
export const tokenFile = "owner-token";

/** The only place that knows all parts. What is started first is stopped last, also when a later part fails to start. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config } = options;
  const { requireIsolation } = config;
  const logger = createLogger(config.logLevel);
  await using parts = new AsyncDisposableStack();

  await mkdir(config.dataFolder, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  parts.use(await lockDataFolder(config.dataFolder));
  const [token, secret, owner] = await Promise.all(
    [tokenFile, "secret", "instance"].map((name) => secretFile(config.dataFolder, name)),
  );
  const keys = keysFrom(secret!);

  const { db } = await openStore(config, logger, parts);
  const principal = await ensureOwner(db);
  const backend = await openBackend(options, { logger, secret: secret! });
  parts.defer(() => backend.close());

  const log = new Log(db, { maxTaskMb: config.maxTaskLogMb, maxRunMb: config.maxRunLogMb });
  const wakeup = new Wakeup();
  const links: Links = new Map();
  // A plain process sees what its owner sees: it gets no real key, not even a way to use one, unless the owner says so.
  const routes = backend.can.isolation === "unsafe" && !config.localUnsafe ? {} : config.modelRoutes;
  const agentTypes = new AgentTypes(db, { routes, missing: (program, image) => backend.missing(program, image) });
  await agentTypes.seed();
  const mirrors = openMirrors({
    folder: join(config.dataFolder, "mirrors"),
    maxRepositoryMb: config.maxRepositoryMb,
    gitEnvironment: present(options.environment),
  });
  const hooks = parts.use(gatewayHooks(log, logger));
  const gateway = createGateway({ mirrors, routes, hooks, log: logger });
  parts.defer(() => gateway.close());
  const times = { ...defaultRunTimes, ...options.times };
  const runners = new Runners(db);
  const pool = new WarmPool({
    db,
    backend,
    runners,
    keys,
    gateway,
    logger,
    server: owner!,
    version: options.version,
    targets: config.pool,
    tenant: principal.organization_id,
    programs: (image) => agentTypes.programs(image),
  });
  const handMade = new HandMadeRunners({
    db,
    backend,
    runners,
    keys,
    logger,
    pool,
    release: (runnerId) => runnerLinks.release(runnerId),
  });
  const runnerLinks: RunnerLinks = new RunnerLinks({
    held: links,
    isAtWork: (runnerId) => isAtWork(db, runnerId),
    open: (runnerId, signal) =>
      openOwnLink(
        { backend, runners, keys, gateway, handMade, pool, connectMs: times.connect, requireIsolation },
        runnerId,
        signal,
      ),
  });
  parts.defer(() => runnerLinks.close());
  const deps: RunDeps = {
    db,
    log,
    backend,
    runners,
    pool,
    keys,
    mirrors,
    gateway,
    agentTypes,
    routes,
    times,
    logger,
    wakeup,
    links,
    requireIsolation,
    hostCredentials: config.hostCredentials,
  };
  const scheduler = new Scheduler(deps, { owner: owner!, capacity: config.maxRuns });
  const commands = new RunCommands(
    log,
    (runId) => {
      wakeup.poke("queue");
      wakeup.poke("reconciler");
      wakeup.poke(runId);
      if (runId === undefined) wakeup.poke(maintenanceBell);
    },
    (runnerId) => !links.has(runnerId),
  );

  const stopping = Promise.withResolvers<{ runners: boolean }>();
  const app = await createApi({
    logger,
    guard: { hosts: [config.host, ...config.allowedHosts], token: token!, owner: principal },
    modules: {
      boards: new Boards(db),
      tasks: new Tasks(db, log),
      commands,
      queries: new RunQueries(db),
      agentTypes,
      scheduler,
      handMade,
      runnerLinks,
      pool,
      diffs: new TaskDiffs(db, mirrors, links),
      log,
      server: {
        version: options.version,
        data_folder: config.dataFolder,
        default_board_id: principal.default_board_id,
        backend: backend.name,
        isolation: backend.can.isolation,
        ...(backend.isolationReason && { isolation_reason: backend.isolationReason }),
      },
      shutdown: (how) => stopping.resolve(how),
    },
  });
  parts.defer(() => app.close());
  const url = await listen(app, config);
  scheduler.start();
  parts.defer(() => scheduler.stop());
  const maintenance = new Maintenance([new Removal({ db, logger }), new Pruning(db)], { wakeup, logger });
  maintenance.start();
  parts.defer(() => maintenance.stop());
  handMade.start();
  parts.defer(() => handMade.stop());
  pool.start();
  parts.defer(() => pool.stop());
  await announce(config.dataFolder, url);
  parts.defer(() => rm(join(config.dataFolder, addressFile), { force: true }));
  logger.info(
    { url, isolation: backend.can.isolation, database: config.databaseUrl ? "server" : "embedded" },
    "Wharf serves",
  );

  const running = parts.move();
  const stopped = stopping.promise.then(async ({ runners }) => {
    if (runners) {
      await commands.stopAll("the server is taken down");
      await handMade.restAll();
      await pool.empty();
      await scheduler.settled(AbortSignal.timeout(takeDownTime));
    }
    await running.disposeAsync();
  });
  const stop = (how = { runners: false }) => {
    stopping.resolve(how);
    return stopped;
  };
  return { url, token: token!, stopped, stop, [Symbol.asyncDispose]: () => stop() };
}

/** A mock backend looks like any other from here on. */
async function openBackend(
  { config, kit }: ServerOptions,
  { logger, secret }: { logger: Logger; secret: string },
): Promise<LocalBackend> {
  if (config.backend === "mock") return new MockBackend({ simulation: farAway({ failures: config.mockFailures }) });
  if (config.backend === "docker")
    return createDockerBackend({
      folder: join(config.dataFolder, "docker"),
      kit,
      node: process.execPath,
      server: serverMark(secret),
      engine: config.docker,
      image: config.runnerImage,
      wire: config.docker.wire,
      ...(config.hostCredentials.size > 0 && {
        credentials: { home: config.home, sshAgent: config.docker.sshAgent },
      }),
      allowUnsafe: config.localUnsafe,
      log: logger,
    });
  if (config.backend === "kubernetes") {
    const { cluster, settings } = config.kubernetes;
    const of = { instance: serverMark(secret), image: config.runnerImage };
    return createKubernetesBackend({ cluster, settings: { ...settings, ...of }, log: logger });
  }
  return createLocalBackend({
    folder: join(config.dataFolder, "runners"),
    kit,
    node: process.execPath,
    allowUnsafe: config.localUnsafe,
    searchPath: config.searchPath,
    log: logger,
  });
}

/** Tells a server's runners from another's on the same engine. Replicas of one server share the secret, and so their runners. */
const serverMark = (secret: string): string =>
  createHash("sha256").update(`wharf server ${secret}`).digest("hex").slice(0, 16);

/** Moved into place, so that whoever waits for the file never reads half of it. */
async function announce(dataFolder: string, url: string): Promise<void> {
  const file = join(dataFolder, addressFile);
  await writeFile(`${file}.new`, JSON.stringify({ url, pid: process.pid }), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

async function openStore(config: Config, logger: Logger, parts: AsyncDisposableStack) {
  const onError = (error: Error) => logger.warn({ error }, "a database connection broke");
  const embedded = config.databaseUrl
    ? undefined
    : parts.use(
        await startEmbeddedPostgres({
          folder: join(config.dataFolder, "postgres"),
          notify: (notice) => logger[notice.kind === "down" ? "error" : "debug"](notice, "PostgreSQL"),
        }),
      );
  const store = openDatabase(embedded ? embedded.connection : { connectionString: config.databaseUrl }, onError);
  parts.defer(() => store.close());
  try {
    await migrate(store.pool);
  } catch (error) {
    throw new WharfError(
      "database_unavailable",
      { reason: error instanceof Error ? error.message : String(error) },
      { cause: error },
    );
  }
  return store;
}

async function listen(app: Awaited<ReturnType<typeof createApi>>, { host, port }: Config): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE")
      throw new WharfError("port_taken", { address: `${host}:${port}` }, { cause: error });
    throw error;
  }
}

const present = (environment: ServerOptions["environment"]): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));

/** The version of the package this file is part of. */
export const version: string = createRequire(import.meta.url)("../package.json").version;
