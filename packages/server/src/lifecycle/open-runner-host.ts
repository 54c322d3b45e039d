import { join } from "node:path";
import { AgentTypes } from "../agent-types/index.ts";
import { AllowLists } from "../allow-lists/index.ts";
import { Log } from "../events/index.ts";
import { createGateway, GitCredentials, openMirrors, openRegistries, readHostAuthor } from "../gateway/index.ts";
import type { RunnerRedaction } from "../runners/index.ts";
import { BudgetGuard, createGatewayHooks, findAllowedSecrets, ModelHealth } from "../runs/index.ts";
import { guardFromTransactions } from "../store/index.ts";
import { HostTraffic, Ledger, RateLimits } from "../usage/index.ts";
import { openBackend } from "./open-backend.ts";
import type { Storage } from "./open-storage.ts";
import { pokeTask } from "./poke-task.ts";
import type { ServerOptions, ServerSetup } from "./server-options.ts";

export type RunnerHost = Awaited<ReturnType<typeof openRunnerHost>>;

/** Opens the backend, and everything that its runners reach: the git mirrors and the gateway. */
export async function openRunnerHost({ options, logger, parts, secrets }: ServerSetup, storage: Storage) {
  const { config } = options;
  const { audit, db, keys, installation, ledgerPool, notifications, serverId, wakeup } = storage;
  const backend = guardFromTransactions(await openBackend(options, { logger, installation, keys, db }), "A backend");
  parts.defer(() => backend.close());
  const limits = { maxTaskMb: config.maxTaskLogMb, maxRunMb: config.maxRunLogMb };
  const log = new Log(db, { notifications, limits });
  // A plain process sees everything that its owner sees: it gets no real key, nor a way to use one,
  // unless the owner allows it.
  const mayUseKeys = backend.can.isolation !== "unsafe" || config.localUnsafe;
  const routes = mayUseKeys ? config.modelRoutes : {};
  const findMissingReason = (program: string, image?: string) => backend.getMissingReason(program, image);
  const hasHostPrograms = backend.name === "local" || backend.name === "mock";
  const agentTypes = new AgentTypes(db, { routes, images: config.images, hasHostPrograms, findMissingReason });
  await agentTypes.seed();
  const environment = getDefinedVariables(options.environment);
  const registerSecret = (name: string, value: string) => void secrets.register(name, value);
  const credentials = new GitCredentials({
    file: config.gitCredentials,
    environment,
    onPassword: registerSecret,
    onUse: (name, { organizationId, endpoint, path }) =>
      audit.countCredentialUse({
        organization_id: organizationId,
        actor: { kind: "server" },
        credential: { kind: "git_login", name },
        details: { repository: `${endpoint.name}/${path.replace(/^\//, "")}` },
      }),
  });
  await credentials.requireValidFile();
  const mirrors = guardFromTransactions(
    openMirrors({
      folder: join(config.dataFolder, "mirrors"),
      privateFolder: config.dataFolder,
      maxRepositoryMb: config.maxRepositoryMb,
      policy: config.gitAddresses,
      credentials,
      gitEnvironment: environment,
    }),
    "A git mirror",
  );
  const getServerAuthor = async () => config.gitAuthor ?? (await readHostAuthor(environment));
  const modelHealth = new ModelHealth();
  const allowLists = new AllowLists(db, log, config.runnerHosts);
  const recordDenial: AllowLists["recordDenial"] = (taskId, denial) => allowLists.recordDenial(taskId, denial);
  const ledger = parts.use(
    new Ledger({ db: ledgerPool, serverId, logger, prices: config.prices, taskBudget: config.taskBudget }),
  );
  await ledger.settleFormer();
  void ledger.prepare();
  const budgetGuard = new BudgetGuard({ ledger, log, logger, onStop: (taskId) => pokeTask(wakeup, taskId) });
  const rateLimits = new RateLimits({ ledger: budgetGuard, ...config.runRates });
  const hostTraffic = parts.use(new HostTraffic({ db: ledgerPool, logger }));
  const hooks = parts.use(
    createGatewayHooks({ log, logger, secrets, modelHealth, recordDenial, ledger: rateLimits, hostTraffic, audit }),
  );
  const modelTimes = { firstByte: config.modelTimeoutMs };
  const gateway = createGateway({
    mirrors,
    routes,
    hooks,
    log: logger,
    modelTimes,
    onModelKey: registerSecret,
    pushScan: { getMatcher: () => secrets.matcher, findAllowed: (taskId) => findAllowedSecrets(db, taskId) },
    hosts: { findRules: (context) => allowLists.findRules(context) },
    registries: openRegistries(mayUseKeys ? config.registries : [], {
      environment,
      onToken: registerSecret,
    }),
  });
  parts.defer(() => gateway.close());
  const redaction: RunnerRedaction = { secrets, onRedacted: (context, use) => hooks.redacted(context, use) };
  return { redaction, backend, log, routes, agentTypes, mirrors, getServerAuthor, modelHealth, allowLists, gateway };
}

const getDefinedVariables = (environment: ServerOptions["environment"]): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
