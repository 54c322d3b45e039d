import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { type Backend, openLeftoverRunners } from "../backends/index.ts";
import type { Config } from "../config/index.ts";
import { lockDataFolder } from "../store/data-folder-lock.ts";
import { stopEmbeddedPostgres } from "../store/embedded/index.ts";
import type { Services } from "./create-services.ts";
import { createKnownSecrets } from "./known-secrets.ts";
import { createLogger } from "./logger.ts";

/** Maximum time for runs to end when the server is stopped with its runners. */
const endRunsTimeoutMs = 30_000;
const haltTimeoutMs = 5_000;

interface TakeDownOptions {
  readonly services: Services;
  readonly backend: Backend;
  readonly logger: Logger;
  /** Skips the orderly end at once. */
  readonly hurry: AbortSignal | undefined;
}

/**
 * Ends all runs properly before the server stops, so that their tasks record it. If that fails or
 * takes too long (the disk is full, the database is down), the runners are stopped anyway.
 */
export async function takeDownServer({ services, backend, logger, hurry }: TakeDownOptions): Promise<void> {
  const timeout = AbortSignal.timeout(endRunsTimeoutMs);
  const deadline = hurry ? AbortSignal.any([timeout, hurry]) : timeout;
  const expiry = Promise.withResolvers<never>();
  deadline.addEventListener("abort", () => expiry.reject(deadline.reason), { once: true });
  try {
    deadline.throwIfAborted();
    await Promise.race([endRuns(services, deadline), expiry.promise]);
  } catch (error) {
    logger[hurry?.aborted ? "info" : "error"]({ error }, "could not stop the agents in order; stopping their runners");
    await Promise.race([stopScheduling(services), sleep(haltTimeoutMs)]).catch(() => undefined);
    await stopRunners(backend, logger);
  }
}

/** Ends every run and waits for it. */
async function endRuns(
  { commands, standaloneRunners, pool, scheduler }: Services,
  deadline: AbortSignal,
): Promise<void> {
  await commands.stopAllRuns("the server is shutting down");
  await standaloneRunners.stopAll();
  await pool.empty();
  await scheduler.waitUntilIdle(deadline);
}

/** Keeps the scheduler from starting a runner again. */
async function stopScheduling({ scheduler, leases }: Services): Promise<void> {
  await Promise.all([scheduler.stop(), leases.stop()]);
}

/** Stops every runner of a backend, and logs those that it cannot stop. Disks are kept. */
async function stopRunners(backend: Backend, logger: Logger): Promise<void> {
  for await (const { id, state } of backend.list()) {
    if (state !== "running") continue;
    await backend.stop(id).catch((error: unknown) => logger.error({ runner_id: id, error }, "could not stop a runner"));
  }
}

/**
 * Stops the runners that a server left in a data folder, without a server: with a full disk or a
 * lost secret no server starts. The function needs neither the database nor a key, so it does not
 * update tasks; the next server handles those. Only local runners are found this way: on an engine,
 * the secret determines which runners belong to this server.
 */
export async function stopLeftoverRunners({ config, kit }: { config: Config; kit: string }): Promise<void> {
  await using _lock = await lockDataFolder(config.dataFolder);
  const logger = createLogger(config.logLevel, createKnownSecrets(config));
  const folder = join(config.dataFolder, "runners");
  if (existsSync(folder)) {
    const { searchPath } = config;
    const backend = await openLeftoverRunners({ folder, kit, node: process.execPath, searchPath });
    try {
      await stopRunners(backend, logger);
    } finally {
      await backend.close();
    }
  }
  await stopEmbeddedPostgres(join(config.dataFolder, "postgres"));
}
