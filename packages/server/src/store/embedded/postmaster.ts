import { spawn } from "node:child_process";
import { open, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import pg from "pg";
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
import { getExitError, type ClusterSite } from "./cluster-site.ts";
import { port } from "./socket-folder.ts";

/**
 * A PostgreSQL that accepts connections. It leads a session of its own, so that neither an interrupt at the terminal nor
 * this process's death ends it: it is either this process's child, or an orphan that was found and adopted.
 */
export interface Postmaster {
  readonly pid: number;
  readonly socketFolder: string;
  /** Resolves with how it ended, once it has. */
  readonly exited: Promise<string>;
  /** Where its words begin in the log. */
  readonly logOffset: number;
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** How often its status is looked at while it starts. */
const statusPollIntervalMs = 5;
/** How often an adopted one, whose end nobody is told of, is looked at. */
const lifePollIntervalMs = 250;
/** How long a first connection may take before the server counts as hung: a new one, and one that was found. */
const startProbeTimeoutMs = 15_000;
const orphanProbeTimeoutMs = 4_000;
/** How long an orphan may be neither ready nor starting (recovering) before it is stopped. */
const orphanReadyTimeoutMs = 5_000;
/** How long a fast shutdown may take, that of one that does not answer, and what is harsher. */
const fastShutdownTimeoutMs = 10_000;
const orphanShutdownTimeoutMs = 2_000;
const immediateShutdownTimeoutMs = 5_000;
/** Processes of a predecessor that was killed may keep the folder for a moment. */
const predecessorTimeoutMs = 5_000;
const predecessor = /lock file .* already exists|pre-existing shared memory block/;

export const getConnectionOptions = (socketFolder: string) =>
  ({ host: socketFolder, port, user: role, database, ssl: false }) as const;

interface StartOptions {
  readonly programs: PostgresPrograms;
  readonly socketFolder: string;
  readonly signal: AbortSignal;
}

/** Starts PostgreSQL on an existing cluster that none runs on, and waits until it accepts connections. */
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

/** Waits for something of a PostgreSQL, but not longer than that lives. */
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

/** Recovery after a crash takes as long as it takes; whoever waits has the signal. */
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

/** Nobody runs on the cluster, so whatever sockets lie there are of one that was killed. */
async function removeSockets(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  await Promise.all(
    names.filter((name) => name.startsWith(".s.PGSQL.")).map((name) => rm(join(folder, name), { force: true })),
  );
}

/** A PostgreSQL that outlived its server, if there is one and it is well; one that is not is stopped. */
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

/** Ends a PostgreSQL that outlived its server, if there is one. */
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

/** Fast (open transactions are undone, all is written), then immediate (the next start recovers), then by force. */
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
