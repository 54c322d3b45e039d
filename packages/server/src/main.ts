import { createHmac } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { tokenFile } from "@wharf/contract/data-folder";
import type { Logger } from "pino";
import { ensureOwner, ensureStoredSecret, type StoredValue, ensureStoredValue } from "./access/index.ts";
import { AgentTypes } from "./agent-types/index.ts";
import { announceServer } from "./lifecycle/announce.ts";
import { createApi, Peers } from "./api/index.ts";
import type { Config } from "./config/index.ts";
import { Log } from "./events/index.ts";
import { createGateway, openMirrors } from "./gateway/index.ts";
import { HealthMonitor } from "./lifecycle/health-monitor.ts";
import { createLogger } from "./lifecycle/logger.ts";
import {
  StandaloneRunners,
  hasActiveRun,
  createKeys,
  LeaseKeeper,
  openStandaloneLink,
  Orphans,
  RunnerLinks,
  Runners,
  RunnerWorkers,
  WarmPool,
} from "./runners/index.ts";
import {
  createGatewayHooks,
  defaultRunTimes,
  getRunnerWork,
  failRunnerWork,
  type LinksByRunner,
  ModelHealth,
  RunCommands,
  type RunDeps,
  RunQueries,
  type RunTimes,
  Maintenance,
  OldRunnerCleanup,
  Pruning,
  Removal,
  Scheduler,
  TaskDiffs,
} from "./runs/index.ts";
import { joinInstallation, refuseCopiedFolder, Servers } from "./servers/index.ts";
import { lockDataFolder } from "./store/data-folder-lock.ts";
import { startEmbeddedPostgres } from "./store/embedded/index.ts";
import { guardFromTransactions, migrateDatabase, Notifications, openDatabase, Wakeup } from "./store/index.ts";
import { openBackend } from "./lifecycle/open-backend.ts";
import { takeDownServer } from "./lifecycle/take-down.ts";
import { Boards, Tasks } from "./tasks/index.ts";

export interface ServerOptions {
  readonly config: Config;
  /** The folder with the daemon and the agents, which every runner gets. */
  readonly kit: string;
  readonly version: string;
  readonly times?: Partial<RunTimes>;
  /** Called when this server holds the data folder. */
  readonly onLocked?: () => void;
  /** Environment of the server's own git: where its user's keys and credential helpers are. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface StopOptions {
  readonly runners: boolean;
  /** Ends the runners without waiting for their tasks to end properly. */
  readonly hurry?: AbortSignal;
}

export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** Resolves when the server has stopped, for any reason. */
  readonly stopped: Promise<void>;
  /** Stops the server; runners continue unless `runners` is set. */
  stop(options?: StopOptions): Promise<void>;
}

/**
 * Wires all parts together; no other place knows them all. The first part to start stops last, even
 * if a later part fails to start.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config } = options;
  const { requireIsolation } = config;
  const logger = createLogger(config.logLevel);
  await using parts = new AsyncDisposableStack();

  await mkdir(config.dataFolder, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  const stopping = Promise.withResolvers<StopOptions>();
  const onLost = (error: WharfError) => {
    logger.fatal({ error }, "another server took the data folder after its lock file was removed; stopping");
    stopping.resolve({ runners: false });
  };
  parts.use(await lockDataFolder(config.dataFolder, { onLost }));
  options.onLocked?.();
  await refuseCopiedFolder(config.dataFolder);
  const getStoredValue = ({ value, repair }: StoredValue): string => {
    if (repair) logger.warn(repair);
    return value;
  };
  const secret = config.secret ?? getStoredValue(await ensureStoredSecret(config.dataFolder, "secret"));
  // Servers that share a secret share the owner's token, so that a client may use any of them.
  const token = config.secret
    ? await createSharedToken(config)
    : getStoredValue(await ensureStoredValue(config.dataFolder, tokenFile));
  const serverId = getStoredValue(await ensureStoredSecret(config.dataFolder, "instance"));
  const keys = createKeys(secret);
  const { db, background, connection } = await openStore(config, logger, parts);
  const notifications = parts.use(
    new Notifications({
      connection,
      onError: (error) => logger.warn({ error }, "the connection for notifications broke; reconnecting"),
    }),
  );
  const principal = await ensureOwner(db);
  const installation = await joinInstallation(db, { secret, dataFolder: config.dataFolder });
  const backend = guardFromTransactions(await openBackend(options, { logger, installation, keys }), "A backend");
  parts.defer(() => backend.close());

  const limits = { maxTaskMb: config.maxTaskLogMb, maxRunMb: config.maxRunLogMb };
  const log = new Log(db, { notifications, limits });
  const wakeup = new Wakeup(notifications);
  const links: LinksByRunner = new Map();
  // A plain process sees everything that its owner sees: it gets no real key, nor a way to use one,
  // unless the owner allows it.
  const routes = backend.can.isolation === "unsafe" && !config.localUnsafe ? {} : config.modelRoutes;
  const findMissingReason = (program: string, image?: string) => backend.getMissingReason(program, image);
  const agentTypes = new AgentTypes(db, { routes, images: config.images, findMissingReason });
  await agentTypes.seed();
  const mirrors = guardFromTransactions(
    openMirrors({
      folder: join(config.dataFolder, "mirrors"),
      privateFolder: config.dataFolder,
      maxRepositoryMb: config.maxRepositoryMb,
      gitEnvironment: getDefinedVariables(options.environment),
    }),
    "A git mirror",
  );
  const modelHealth = new ModelHealth();
  const hooks = parts.use(createGatewayHooks({ log, logger, modelHealth }));
  const modelTimes = { firstByte: config.modelTimeoutMs };
  const gateway = createGateway({ mirrors, routes, hooks, log: logger, modelTimes });
  parts.defer(() => gateway.close());
  const times = { ...defaultRunTimes, ...options.times };
  const runners = new Runners(db);
  const sharedPlace = await backend.locate?.();
  const place = `${backend.name}:${sharedPlace ?? serverId}`;
  await runners.setPlace(backend.name, place);
  const servers = new Servers({ db: background, id: serverId, place, logger });
  const leases = new LeaseKeeper({ db: background, serverId: serverId, place, logger, wakeup });
  const pool = new WarmPool({
    db: background,
    backend,
    runners,
    keys,
    gateway,
    logger,
    leases,
    version: options.version,
    targets: config.pool,
    tenant: principal.organization_id,
    programs: (image) => agentTypes.listPrograms(image),
  });
  const wakeByName = (name: string) => wakeup.poke(name);
  const sleepUntilWoken = (name: string, ms: number, signal: AbortSignal) => wakeup.sleep(name, ms, signal);
  const runnerLinks: RunnerLinks = new RunnerLinks({
    runLinks: links,
    hasActiveRun: (runnerId) => hasActiveRun(db, runnerId),
    openLink: (runnerId, signal) =>
      openStandaloneLink(
        {
          db,
          backend,
          runners,
          keys,
          gateway,
          leases,
          pool,
          waitUntilReady: (id, deadline) => standaloneRunners.waitUntilReady(id, deadline),
          connectMs: times.connect,
          requireIsolation,
        },
        runnerId,
        signal,
      ),
  });
  parts.defer(() => runnerLinks.close());
  const deps: RunDeps = {
    db,
    background,
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
    modelHealth,
    requireIsolation,
    hostCredentials: config.hostCredentials,
    idleMs: (tier) => config.idleMs.get(tier) ?? config.defaultIdleMs,
    isInUse: (runnerId) => runnerLinks.isInUse(runnerId),
  };
  const workers = new RunnerWorkers({
    backend,
    runners,
    keys,
    logger,
    leases,
    pool,
    poke: wakeByName,
    sleep: sleepUntilWoken,
    findWork: (runner, tenure) => getRunnerWork(deps, runner, tenure),
    failWork: (runnerId, tenure) => failRunnerWork(deps, runnerId, tenure),
  });
  const standaloneRunners: StandaloneRunners = new StandaloneRunners({
    db,
    backend,
    runners,
    routes,
    leases,
    workers,
    logger,
    pool,
    poke: wakeByName,
    sleep: sleepUntilWoken,
    release: (runnerId) => runnerLinks.release(runnerId),
  });
  const orphans = new Orphans({
    db: background,
    backend,
    runners,
    place,
    logger,
    graceMs: config.orphanGraceMs,
    lead: (work) => servers.runAsLeader(`orphans of ${place}`, work),
    sleep: (ms, signal) => wakeup.sleep("orphans", ms, signal),
  });
  const removal = new Removal({
    db: background,
    logger,
    removeBranches: (repositoryId, branches) => mirrors.removeBranches(repositoryId, branches),
    onDestroyNeeded: () => wakeup.poke(),
  });
  const oldRunners = new OldRunnerCleanup(background, {
    keepMs: config.keepRunnersMs,
    onDestroyNeeded: () => wakeup.poke(),
  });
  const maintenance = new Maintenance([removal, new Pruning(background), oldRunners], {
    wakeup,
    logger,
    lead: (work) => servers.runAsLeader("maintenance", work),
  });
  const claimLimits = { maxRuns: config.maxRuns, maxRunners: config.maxRunners, scope: config.limitScope };
  const fresh = { backend: backend.name, tier: "small", isolation: backend.can.isolation };
  const scheduler = new Scheduler(deps, { leases, workers, limits: claimLimits, fresh });
  const commands = new RunCommands(
    log,
    (taskId) => {
      if (taskId === undefined) return wakeup.poke();
      for (const name of ["queue", "leases", taskId]) wakeup.poke(name);
    },
    (runnerId) => leases.find(runnerId) !== undefined && !links.has(runnerId),
  );

  const health = parts.use(
    new HealthMonitor({
      dataFolder: config.dataFolder,
      pingDatabase: () => db.execute("select 1"),
      onChange: (report) => logger[report.status === "ok" ? "info" : "error"](report, "health"),
    }),
  );
  const peerToken = createHmac("sha256", secret).update("between servers").digest("base64url");
  const advertised = config.advertisedUrl ? [new URL(config.advertisedUrl).hostname] : [];
  const app = await createApi({
    logger,
    guard: {
      host: config.host,
      allowedHosts: [...config.allowedHosts, ...advertised],
      token,
      peerToken,
      owner: principal,
    },
    modules: {
      boards: new Boards(db),
      tasks: new Tasks(db, log),
      commands,
      queries: new RunQueries(db),
      agentTypes,
      scheduler,
      standaloneRunners,
      runnerLinks,
      keys,
      pool,
      orphans,
      peers: new Peers({ token: peerToken, findHolder: (runnerId) => servers.findHolder(runnerId) }),
      diffs: new TaskDiffs(db, mirrors, links),
      log,
      health: () => health.report,
      server: {
        version: options.version,
        data_folder: config.dataFolder,
        default_board_id: principal.default_board_id,
        backend: backend.name,
        isolation: backend.can.isolation,
        ...(backend.isolationReason && { isolation_reason: backend.isolationReason }),
        ...(backend.limits && { limits: backend.limits }),
      },
      shutdown: (how) => stopping.resolve(how),
    },
  });
  parts.defer(() => app.close());
  const url = await startListening(app, config);
  await servers.start(config.advertisedUrl ?? url, { isShared: sharedPlace !== undefined });
  parts.defer(() => servers.stop());
  await leases.start((tenure) => workers.adopt(tenure));
  parts.defer(async () => {
    await leases.stop();
    await workers.waitForAll();
    await leases.release();
  });
  pool.start();
  parts.defer(() => pool.stop());
  scheduler.start();
  parts.defer(() => scheduler.stop());
  orphans.start();
  parts.defer(() => orphans.stop());
  maintenance.start();
  parts.defer(() => maintenance.stop());
  parts.use(await announceServer({ folder: config.dataFolder, url, http: app.server, logger }));
  logger.info(
    { url, isolation: backend.can.isolation, database: config.databaseUrl ? "server" : "embedded" },
    "Wharf serves",
  );

  const running = parts.move();
  const stopped = stopping.promise.then(async ({ runners, hurry }) => {
    await using _parts = running;
    if (!runners) return;
    const endRuns = async (deadline: AbortSignal) => {
      await commands.stopAllRuns("the server is taken down");
      await standaloneRunners.stopAll();
      await pool.empty();
      await scheduler.waitUntilIdle(deadline);
    };
    const stopScheduling = async () => {
      await Promise.all([scheduler.stop(), leases.stop()]);
    };
    await takeDownServer({ endRuns, halt: stopScheduling, backend, logger, hurry });
  });
  const stop = (how: StopOptions = { runners: false }) => {
    stopping.resolve(how);
    return stopped;
  };
  return { url, token, stopped, stop, [Symbol.asyncDispose]: () => stop() };
}

/**
 * Returns a token that is the same on every server with this secret, and writes it to a file for
 * the command line.
 */
async function createSharedToken({ dataFolder, secret }: Config): Promise<string> {
  const token = createHmac("sha256", secret ?? "")
    .update("owner token")
    .digest("base64url");
  await writeFile(join(dataFolder, tokenFile), `${token}\n`, { mode: 0o600 });
  return token;
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
  const connection = embedded ? embedded.connection : { connectionString: config.databaseUrl };
  const store = openDatabase(connection, onError);
  parts.defer(() => store.close());
  try {
    await migrateDatabase(store.pool);
  } catch (error) {
    throw new WharfError(
      "database_unavailable",
      { reason: error instanceof Error ? error.message : String(error) },
      { cause: error },
    );
  }
  return { ...store, connection };
}

async function startListening(app: Awaited<ReturnType<typeof createApi>>, { host, port }: Config): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE")
      throw new WharfError("port_taken", { address: `${host}:${port}` }, { cause: error });
    throw error;
  }
}

const getDefinedVariables = (environment: ServerOptions["environment"]): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
