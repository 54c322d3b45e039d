import { announceServer } from "./lifecycle/announce.ts";
import { createServices } from "./lifecycle/create-services.ts";
import { createKnownSecrets } from "./lifecycle/known-secrets.ts";
import { createLogger } from "./lifecycle/logger.ts";
import { openRunnerHost } from "./lifecycle/open-runner-host.ts";
import { openStorage } from "./lifecycle/open-storage.ts";
import type { ServerOptions, ServerSetup, StopOptions } from "./lifecycle/server-options.ts";
import { startHttp } from "./lifecycle/start-http.ts";
import { startLoops } from "./lifecycle/start-loops.ts";
import { takeDownServer } from "./lifecycle/take-down.ts";

export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** Resolves when the server has stopped, for any reason. */
  readonly stopped: Promise<void>;
  /** Stops the server; runners continue unless `runners` is set. */
  stop(options?: StopOptions): Promise<void>;
}

/**
 * Opens the parts of a server, each from those before it. The first part to start stops last, even
 * if a later part fails to start.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config } = options;
  const secrets = createKnownSecrets(config);
  const logger = createLogger(config.logLevel, secrets);
  await using parts = new AsyncDisposableStack();
  const stopping = Promise.withResolvers<StopOptions>();
  const setup: ServerSetup = { options, logger, secrets, parts, stop: stopping.resolve };

  const storage = await openStorage(setup);
  const host = await openRunnerHost(setup, storage);
  const { backend } = host;
  const services = await createServices(setup, storage, host);
  const { http, url } = await startHttp(setup, { storage, host, services });
  await startLoops(setup, services, config.advertisedUrl ?? url);
  parts.use(await announceServer({ folder: config.dataFolder, url, http, logger }));
  logger.info(
    { url, isolation: backend.can.isolation, database: config.databaseUrl ? "server" : "embedded" },
    "Wharf is running",
  );

  const running = parts.move();
  const stopped = stopping.promise.then(async ({ runners, hurry }) => {
    await using _parts = running;
    if (runners) await takeDownServer({ services, backend, logger, hurry });
  });
  const stop = (how: StopOptions = { runners: false }) => {
    stopping.resolve(how);
    return stopped;
  };
  return { url, token: storage.token, stopped, stop, [Symbol.asyncDispose]: () => stop() };
}
