import { spawn } from "node:child_process";
import { open, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import pg from "pg";
import { getExitError, type ClusterSite } from "./cluster-site.ts";
import { database, environment, role } from "./cluster.ts";
import { getFileSize } from "./log-file.ts";
import {
  disownPostmasterFile,
  findPostmaster,
  type PostmasterFile,
  readPostmasterFile,
  isServingFolder,
} from "./postmaster-file.ts";
import type { PostgresPrograms } from "./programs.ts";
import { getPostgresArguments } from "./settings.ts";
import { port } from "./socket-folder.ts";

/**
 * A PostgreSQL that accepts connections. The process leads a separate session, so that neither an
 * interrupt at the terminal nor this process's death ends it: it is either this process's child, or
 * an orphan that was found and adopted.
 */
export interface Postmaster {
  readonly pid: number;
  readonly socketFolder: string;
  /** Resolves when the process has ended, with the way it ended. */
  readonly exited: Promise<string>;
  /** The offset in the log at which its messages begin. */
  readonly logOffset: number;
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Interval of status checks while PostgreSQL starts. */
const statusPollIntervalMs = 5;
/** Interval of liveness checks of an adopted process, whose end sends no event. */
const lifePollIntervalMs = 250;
/**
 * Maximum duration of a first connection before the server counts as hung: of a new server, and of
 * an orphan.
 */
const startProbeTimeoutMs = 15_000;
const orphanProbeTimeoutMs = 4_000;
/**
 * Maximum time that an orphan may be neither ready nor starting (recovering) before it is stopped.
 */
const orphanReadyTimeoutMs = 5_000;
/**
 * Timeouts of a fast shutdown, of a fast shutdown of an orphan that does not answer, and of the
 * harsher steps.
 */
const fastShutdownTimeoutMs = 10_000;
const orphanShutdownTimeoutMs = 2_000;
const immediateShutdownTimeoutMs = 5_000;
/** Processes of a killed predecessor may occupy the folder for a moment. */
const predecessorTimeoutMs = 5_000;
const predecessor = /lock file .* already exists|pre-existing shared memory block/;

export const getConnectionOptions = (socketFolder: string) =>
  ({ host: socketFolder, port, user: role, database, ssl: false }) as const;

interface StartOptions {
  readonly programs: PostgresPrograms;
  readonly socketFolder: string;
  readonly signal: AbortSignal;
}

/**
 * Starts PostgreSQL on an existing cluster without a running one, and waits until it accepts
 * connections.
 */
export async function startPostmaster(site: ClusterSite, options: StartOptions): Promise<Postmaster> {
  const deadline = Date.now() + predecessorTimeoutMs;
  for (;;) {
    try {
      return await startOnce(site, options);
    } catch (error) {
      const passes = error instanceof Error && predecessor.test(error.message) && Date.now() < deadline;
      if (!passes || options.signal.aborted) throw error;
      await sleep(50, undefined, { signal: options.signal });
    }
  }
}

async function startOnce(site: ClusterSite, { programs, socketFolder, signal }: StartOptions): Promise<Postmaster> {
  signal.throwIfAborted();
  await disownPostmasterFile(site.dataFolder);
  await removeSockets(socketFolder);
  const logOffset = await getFileSize(site.logFile);
  const major = Number(await readFile(join(site.dataFolder, "PG_VERSION"), "utf8"));
  const args = ["-D", site.dataFolder, ...getPostgresArguments(major, socketFolder)];
  const postmaster = { ...(await spawnDetached(site, programs.postgres, args)), socketFolder, logOffset };
  try {
    await runWhileAlive(postmaster, signal, {
      work: async (living) => {
        await waitUntilReady(site, postmaster.pid, living);
        await probeConnection(socketFolder, startProbeTimeoutMs).catch((error: Error) => {
          throw new WharfError("database_unavailable", { reason: error.message }, { cause: error });
        });
      },
      ended: async (how) => {
        throw await getExitError(site, logOffset, how);
      },
    });
    return postmaster;
  } catch (error) {
    await stopPostmaster(postmaster);
    throw error;
  }
}

interface LifetimeHandlers<T> {
  work(living: AbortSignal): Promise<T>;
  ended(how: string): Promise<T>;
}

/** Runs work on a PostgreSQL, but stops waiting when that PostgreSQL ends. */
async function runWhileAlive<T>(
  { exited }: Postmaster,
  signal: AbortSignal,
  { work, ended }: LifetimeHandlers<T>,
): Promise<T> {
  const workController = new AbortController();
  try {
    return await Promise.race([exited.then(ended), work(AbortSignal.any([signal, workController.signal]))]);
  } finally {
    workController.abort();
  }
}

async function spawnDetached({ account, logFile }: ClusterSite, program: string, args: readonly string[]) {
  await using log = await open(logFile, "a", 0o600);
  const child = spawn(program, args, {
    ...account,
    cwd: "/",
    env: environment,
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
  });
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ? `was ended by ${signal}` : `exited with code ${code}`));
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
  });
  child.unref();
  return { pid: child.pid ?? 0, exited, kill: async (signal: NodeJS.Signals) => void child.kill(signal) };
}

/** Recovery after a crash has no timeout; the caller has the signal. */
async function waitUntilReady({ dataFolder }: ClusterSite, pid: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const file = await readPostmasterFile(dataFolder);
    if (file?.pid === pid && file.status === "ready") return;
    await sleep(statusPollIntervalMs);
  }
}

async function probeConnection(socketFolder: string, ms: number): Promise<void> {
  const client = new pg.Client({
    ...getConnectionOptions(socketFolder),
    connectionTimeoutMillis: ms,
    query_timeout: ms,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("select 1");
  } finally {
    await client.end();
  }
}

/** No PostgreSQL runs on the cluster, so any sockets in its folder belong to a killed one. */
async function removeSockets(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  await Promise.all(
    names.filter((name) => name.startsWith(".s.PGSQL.")).map((name) => rm(join(folder, name), { force: true })),
  );
}

/**
 * Returns a PostgreSQL that outlived its server, if there is a healthy one; stops an unhealthy one.
 */
export async function adoptPostmaster(site: ClusterSite, signal: AbortSignal): Promise<Postmaster | undefined> {
  const postmasterFile = await findPostmaster(site.dataFolder);
  if (!postmasterFile) return undefined;
  const postmaster = await createOrphanPostmaster(site, postmasterFile);
  const well = await runWhileAlive(postmaster, signal, {
    work: (living) => isWell(site, postmasterFile.pid, living),
    ended: async () => false,
  });
  if (well) return postmaster;
  await stopPostmaster(postmaster, orphanShutdownTimeoutMs);
  return undefined;
}

/** Stops a PostgreSQL that outlived its server, if there is one. */
export async function stopOrphan(site: ClusterSite): Promise<void> {
  const postmasterFile = await findPostmaster(site.dataFolder);
  if (postmasterFile) await stopPostmaster(await createOrphanPostmaster(site, postmasterFile));
}

async function createOrphanPostmaster(site: ClusterSite, { pid, socketFolder }: PostmasterFile): Promise<Postmaster> {
  return {
    pid,
    socketFolder,
    exited: waitForExit(site, pid),
    logOffset: await getFileSize(site.logFile),
    kill: async (name) => {
      if (await isServingFolder(pid, site.dataFolder)) process.kill(pid, name);
    },
  };
}

async function isWell({ dataFolder }: ClusterSite, pid: number, signal: AbortSignal): Promise<boolean> {
  for (const deadline = Date.now() + orphanReadyTimeoutMs; ; await sleep(statusPollIntervalMs)) {
    signal.throwIfAborted();
    const file = await readPostmasterFile(dataFolder);
    if (file?.pid !== pid) return false;
    if (file.status === "ready") return isAnswering(file.socketFolder);
    if (file.status !== "starting" && Date.now() > deadline) return false;
  }
}

const isAnswering = (socketFolder: string) =>
  probeConnection(socketFolder, orphanProbeTimeoutMs).then(
    () => true,
    () => false,
  );

async function waitForExit({ dataFolder }: ClusterSite, pid: number): Promise<string> {
  while (await isServingFolder(pid, dataFolder)) await sleep(lifePollIntervalMs, undefined, { ref: false });
  return "has ended";
}

/**
 * Stops fast (open transactions are rolled back, all data is written), then immediately (the next
 * start recovers), then with SIGKILL.
 */
export async function stopPostmaster({ kill, exited }: Postmaster, patienceMs = fastShutdownTimeoutMs): Promise<void> {
  const steps = [
    ["SIGINT", patienceMs],
    ["SIGQUIT", Math.min(patienceMs, immediateShutdownTimeoutMs)],
    ["SIGKILL", immediateShutdownTimeoutMs],
  ] as const;
  for (const [name, ms] of steps) {
    await kill(name);
    using patience = createTimer(ms);
    if (await Promise.race([exited.then(() => true), patience.over])) return;
  }
}

function createTimer(ms: number): Disposable & { readonly over: Promise<false> } {
  const { promise: expired, resolve } = Promise.withResolvers<false>();
  const timeout = setTimeout(resolve, ms, false);
  return { over: expired, [Symbol.dispose]: () => clearTimeout(timeout) };
}
