import { createHmac } from "node:crypto";
import { WharfError } from "@wharf/contract";
import {
  AccessTokens,
  accessWakeup,
  AccessWatch,
  Authenticator,
  Members,
  Organizations,
  PreviewLinks,
} from "../access/index.ts";
import { ClientAddresses, createApi, listenOnSecondLoopback, Peers } from "../api/index.ts";
import { AuditReader } from "../audit/index.ts";
import type { Config } from "../config/index.ts";
import { presentModelRoutes } from "../gateway/index.ts";
import { AgentTests, getAuthor, RunQueries, TaskBranches, TaskDiffs } from "../runs/index.ts";
import { getErrorCode } from "../std/errors.ts";
import { countMissingMigrations } from "../store/index.ts";
import {
  Assignees,
  BoardMembers,
  Boards,
  Comments,
  Search,
  TaskDependencies,
  Tasks,
  Templates,
} from "../tasks/index.ts";
import { HostReports, ResourceReports, UsageReports } from "../usage/index.ts";
import type { Services } from "./create-services.ts";
import {
  createDatabaseCheck,
  createEngineCheck,
  createFolderCheck,
  createGatewayCheck,
  createSchemaCheck,
} from "./health-checks.ts";
import { HealthMonitor } from "./health-monitor.ts";
import type { RunnerHost } from "./open-runner-host.ts";
import type { Storage } from "./open-storage.ts";
import type { ServerSetup } from "./server-options.ts";

interface HttpSources {
  readonly storage: Storage;
  readonly host: RunnerHost;
  readonly services: Services;
}

/** Serves the API; returns the HTTP server and its URL. */
export async function startHttp(setup: ServerSetup, { storage, host, services }: HttpSources) {
  const { options, logger, secrets, parts, stop } = setup;
  const { config, version } = options;
  const { db, keys, owner, secret, token, wakeup } = storage;
  const { backend, log, mirrors, agentTypes, allowLists, getServerAuthor } = host;
  const { commands, scheduler, standaloneRunners, runnerLinks, pool, orphans, servers, runLinks } = services;
  const health = parts.use(
    new HealthMonitor({
      checks: [
        createFolderCheck(config.dataFolder),
        createDatabaseCheck(() => db.execute("select 1")),
        createSchemaCheck(() => countMissingMigrations(storage.pool)),
        createGatewayCheck(() => storage.ledgerPool.query("select 1")),
        createEngineCheck(backend),
      ],
      onChange: (report) => logger[report.status === "ok" ? "info" : "error"](report, "health"),
    }),
  );
  const advertised = config.advertisedUrl ? [new URL(config.advertisedUrl).hostname] : [];
  const allowedHosts = [...config.allowedHosts, ...advertised, ...(config.publicUrl ? [config.publicUrl.origin] : [])];
  void health.check();
  const boards = new Boards(db);
  const onAccessChange = () => wakeup.poke(accessWakeup);
  const authenticator = new Authenticator({
    db,
    ownerToken: token,
    owner,
    sessionCredentials: services.sessionCredentials,
    streamTickets: services.loginModules.streamTickets,
  });
  const tasks = new Tasks(db, log);
  const accessWatch = new AccessWatch({ authenticator, wakeup });
  accessWatch.start();
  parts.defer(() => accessWatch.stop());
  const clientAddresses = new ClientAddresses({
    trustedProxies: config.trustedProxies,
    forwardingKey: createHmac("sha256", secret).update("forwarded requests").digest("base64url"),
  });
  const app = await createApi({
    logger,
    guard: { host: config.host, allowedHosts, corsOrigins: config.corsOrigins },
    requestLimits: config.requestLimits,
    authenticator,
    accessWatch,
    clientAddresses,
    acceptsQueryTokens: config.acceptsQueryTokens,
    previewSite: config.previewSite,
    modules: {
      ...services.loginModules,
      previewLinks: new PreviewLinks(db, { secret, onEnd: onAccessChange }),
      boards,
      boardMembers: new BoardMembers(db, boards, onAccessChange),
      organizations: new Organizations(db),
      members: new Members(db, onAccessChange),
      accessTokens: new AccessTokens(db, onAccessChange),
      tasks,
      dependencies: new TaskDependencies(db, { tasks, log, onChange: () => wakeup.poke("queue") }),
      templates: new Templates(db, boards),
      comments: new Comments(db, log),
      assignees: new Assignees(db, log),
      search: new Search(db, (text) => secrets.redactText(text)),
      taskArchive: services.taskArchive,
      commands,
      queries: new RunQueries(db),
      queue: services.queue,
      runLimits: services.runLimits,
      agentTypes,
      agentTests: new AgentTests({ db, log, boards, tasks, commands, agentTypes, logger }),
      allowLists,
      mirrors,
      usage: new UsageReports(db),
      budgets: services.budgets,
      budgetWaits: services.budgetWaits,
      resources: new ResourceReports(db),
      hostTraffic: new HostReports(db),
      audit: storage.audit,
      auditReader: new AuditReader(db),
      scheduler,
      standaloneRunners,
      runnerLinks,
      keys,
      secrets,
      pool,
      orphans,
      peers: new Peers({
        clientAddresses,
        findHolder: (runnerId) => servers.findHolder(runnerId),
      }),
      branches: new TaskBranches(db, { mirrors, secrets }),
      diffs: new TaskDiffs(db, { mirrors, links: runLinks, secrets }),
      getAuthor: (userId) => getAuthor({ db, getServerAuthor }, userId),
      log,
      health,
      redact: (text) => secrets.redactText(text),
      server: {
        version,
        started_at: new Date(),
        data_folder: config.dataFolder,
        default_board_id: owner.default_board_id,
        backend: backend.name,
        isolation: backend.can.isolation,
        ...(backend.isolationReason && { isolation_reason: backend.isolationReason }),
        ...(backend.limits && { limits: backend.limits }),
      },
      setup: {
        settings: config.settings,
        modelRoutes: presentModelRoutes(config.modelRoutes),
        prices: config.prices,
      },
      shutdown: stop,
    },
  });
  parts.defer(() => app.close());
  const url = await startListening(app, config);
  if (config.host === "localhost") parts.use(await listenOnSecondLoopback(app.server));
  return { http: app.server, url };
}

async function startListening(app: Awaited<ReturnType<typeof createApi>>, { host, port }: Config): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if (getErrorCode(error) === "EADDRINUSE")
      throw new WharfError("port_taken", { address: `${host}:${port}` }, { cause: error });
    throw error;
  }
}
