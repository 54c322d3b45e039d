/**
 * Wharf's gateway on a port, without the wire in front of it: the parts that the server puts
 * together in `lifecycle/open-runner-host.ts`, on the database of a server. Prints its port.
 */
import { createServer } from "node:http";
import { join } from "node:path";
import { z } from "zod";
import { Log } from "../../../packages/server/src/events/index.ts";
import { createGateway, openMirrors } from "../../../packages/server/src/gateway/index.ts";
import { createLogger } from "../../../packages/server/src/lifecycle/logger.ts";
import { KnownSecrets } from "../../../packages/server/src/redaction/index.ts";
import { BudgetGuard, createGatewayHooks, ModelHealth } from "../../../packages/server/src/runs/index.ts";
import { getConnectionOptions } from "../../../packages/server/src/store/embedded/postmaster.ts";
import { Notifications, openDatabase } from "../../../packages/server/src/store/index.ts";
import { Ledger, PriceTable, RateLimits } from "../../../packages/server/src/usage/index.ts";

const [socketFolder = "", folder = "", modelUrl = "", context = ""] = process.argv.slice(2);
const GatewayContext = z.object({
  runner_id: z.string(),
  run_id: z.string(),
  task_id: z.string(),
  agent_type: z.string(),
  model_route: z.string(),
  token: z.string(),
});
const sender = GatewayContext.parse(JSON.parse(context));

const reportError = (error: Error) => void process.stderr.write(`${error.message}\n`);
const connection = getConnectionOptions(socketFolder);
const { db, ledgerPool } = openDatabase(connection, reportError);
const secrets = new KnownSecrets();
const logger = createLogger("warn", secrets);
const log = new Log(db, { notifications: new Notifications({ connection, onError: reportError }) });
const ledger = new Ledger({ db: ledgerPool, serverId: "benchmark", logger, prices: new PriceTable() });
await ledger.prepare();
const budgetGuard = new BudgetGuard({ ledger, log, logger, onStop: () => undefined });
const hooks = createGatewayHooks({
  log,
  logger,
  secrets,
  modelHealth: new ModelHealth(),
  recordDenial: async () => undefined,
  ledger: new RateLimits({ ledger: budgetGuard }),
});
const gateway = createGateway({
  mirrors: openMirrors({
    folder: join(folder, "mirrors"),
    maxRepositoryMb: 1,
    policy: { hosts: [], localFolders: [] },
  }),
  routes: {
    openai: {
      api: "openai",
      upstreams: [
        {
          baseUrl: modelUrl,
          setting: "OPENAI_BASE_URL",
          weight: 1,
          key: { kind: "environment", name: "OPENAI_API_KEY", value: "sk-a-key-that-is-none" },
          organizations: [],
        },
      ],
    },
  },
  hooks,
  log: logger,
  onModelKey: (name, key) => void secrets.register(name, key),
});
const server = createServer((req, res) => gateway.handle(async () => sender, req, res));
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
