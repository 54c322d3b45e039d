import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { type Backend, createLocalBackend } from "./backends/index.ts";
import type { Config } from "./config.ts";
import { createLogger } from "./logger.ts";
import { lockDataFolder } from "./store/data-folder-lock.ts";
import { stopEmbeddedPostgres } from "./store/embedded/index.ts";

/** How long runs may take to end when the server is taken down with its runners. */
const endRunsTimeoutMs = 30_000;
const haltTimeoutMs = 5_000;

interface TakeDownOptions {
  /** Ends every run and waits for it. */
  readonly endRuns: (deadline: AbortSignal) => Promise<void>;
  /** Keeps the scheduler from starting a runner again. */
  readonly halt: () => Promise<void>;
  readonly backend: Backend;
  readonly logger: Logger;
  /** Gives up the order at once. */
  readonly hurry: AbortSignal | undefined;
}

/**
 * Ends what is at work before the server stops: in order, so that the tasks know of it. Where that fails or takes too
 * long (the disk is full, the database is down) the runners are stopped all the same.
 */
export async function takeDownServer({ endRuns, halt, backend, logger, hurry }: TakeDownOptions): Promise<void> {
  const timeout = AbortSignal.timeout(endRunsTimeoutMs);
  const deadline = hurry ? AbortSignal.any([timeout, hurry]) : timeout;
  const expiry = Promise.withResolvers<never>();
  deadline.addEventListener("abort", () => expiry.reject(deadline.reason), { once: true });
  try {
    deadline.throwIfAborted();
    await Promise.race([endRuns(deadline), expiry.promise]);
  } catch (error) {
    logger[hurry?.aborted ? "info" : "error"]({ error }, "cannot end the agents in order; stopping their runners");
    await Promise.race([halt(), sleep(haltTimeoutMs)]).catch(() => undefined);
    await stopRunners(backend, logger);
  }
}

/** Stops every runner that a backend has, and logs those that it cannot stop. Disks are kept. */
async function stopRunners(backend: Backend, logger: Logger): Promise<void> {
  for await (const { id, state } of backend.list()) {
    if (state !== "running") continue;
    await backend.stop(id).catch((error: unknown) => logger.error({ runner_id: id, error }, "cannot stop a runner"));
  }
}

/**
 * Ends what a server left running in a data folder, without a server: where the disk is full or the secret is lost none
 * starts. It needs neither the database nor a key, so it knows nothing of tasks, and the next server takes up what they
 * wait for. Only local runners are found this way: on an engine, the secret tells which runners are this server's.
 */
export async function stopLeftoverRunners({ config, kit }: { config: Config; kit: string }): Promise<void> {
  await using _lock = await lockDataFolder(config.dataFolder);
  const logger = createLogger(config.logLevel);
  const folder = join(config.dataFolder, "runners");
  if (existsSync(folder)) {
    const { searchPath } = config;
    const backend = await createLocalBackend({ folder, kit, node: process.execPath, searchPath, allowUnsafe: true });
    try {
      await stopRunners(backend, logger);
    } finally {
      await backend.close();
    }
  }
  await stopEmbeddedPostgres(join(config.dataFolder, "postgres"));
}
