import { spawn } from "node:child_process";
import { open, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import pg from "pg";
import { database, environment, role } from "./cluster.ts";
import { sizeOf } from "./log-file.ts";
import {
  disownPostmasterFile,
  findPostmaster,
  type PostmasterFile,
  readPostmasterFile,
  servesFolder,
} from "./postmaster-file.ts";
import type { Programs } from "./programs.ts";
import { settingsFor } from "./settings.ts";
import { causeOfEnd, type Site } from "./site.ts";
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
const statusPollMs = 5;
/** How often an adopted one, whose end nobody is told of, is looked at. */
const lifePollMs = 250;
/** How long a first connection may take before the server counts as hung: a new one, and one that was found. */
const startProbeMs = 15_000;
const orphanProbeMs = 4_000;
/** How long an orphan may be neither ready nor starting (recovering) before it is stopped. */
const orphanPatienceMs = 5_000;
/** How long a fast shutdown may take, that of one that does not answer, and what is harsher. */
const fastMs = 10_000;
const orphanFastMs = 2_000;
const immediateMs = 5_000;
/** Processes of a predecessor that was killed may keep the folder for a moment. */
const predecessorMs = 5_000;
const predecessor = /lock file .* already exists|pre-existing shared memory block/;

export const connectionTo = (socketFolder: string) =>
  ({ host: socketFolder, port, user: role, database, ssl: false }) as const;

interface StartOptions {
  readonly programs: Programs;
  readonly socketFolder: string;
  readonly signal: AbortSignal;
}

/** Starts PostgreSQL on an existing cluster that none runs on, and waits until it accepts connections. */
export async function startPostmaster(site: Site, options: StartOptions): Promise<Postmaster> {
  const deadline = Date.now() + predecessorMs;
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

async function startOnce(site: Site, { programs, socketFolder, signal }: StartOptions): Promise<Postmaster> {
  signal.throwIfAborted();
  await disownPostmasterFile(site.dataFolder);
  await removeSockets(socketFolder);
  const logOffset = await sizeOf(site.logFile);
  const major = Number(await readFile(join(site.dataFolder, "PG_VERSION"), "utf8"));
  const args = ["-D", site.dataFolder, ...settingsFor(major, socketFolder)];
  const postmaster = { ...(await spawnDetached(site, programs.postgres, args)), socketFolder, logOffset };
  try {
    await whileItLives(postmaster, signal, {
      work: async (living) => {
        await untilReady(site, postmaster.pid, living);
        await probe(socketFolder, startProbeMs).catch((error: Error) => {
          throw new WharfError("database_unavailable", { reason: error.message }, { cause: error });
        });
      },
      ended: async (how) => {
        throw await causeOfEnd(site, logOffset, how);
      },
    });
    return postmaster;
  } catch (error) {
    await stopPostmaster(postmaster);
    throw error;
  }
}

interface Life<T> {
  work(living: AbortSignal): Promise<T>;
  ended(how: string): Promise<T>;
}

/** Waits for something of a PostgreSQL, but not longer than that lives. */
async function whileItLives<T>({ exited }: Postmaster, signal: AbortSignal, { work, ended }: Life<T>): Promise<T> {
  const over = new AbortController();
  try {
    return await Promise.race([exited.then(ended), work(AbortSignal.any([signal, over.signal]))]);
  } finally {
    over.abort();
  }
}

async function spawnDetached({ account, logFile }: Site, program: string, args: readonly string[]) {
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
async function untilReady({ dataFolder }: Site, pid: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const file = await readPostmasterFile(dataFolder);
    if (file?.pid === pid && file.status === "ready") return;
    await sleep(statusPollMs);
  }
}

async function probe(socketFolder: string, ms: number): Promise<void> {
  const client = new pg.Client({
    ...connectionTo(socketFolder),
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
export async function adoptPostmaster(site: Site, signal: AbortSignal): Promise<Postmaster | undefined> {
  const found = await findPostmaster(site.dataFolder);
  if (!found) return undefined;
  const postmaster = await orphanPostmaster(site, found);
  const well = await whileItLives(postmaster, signal, {
    work: (living) => isWell(site, found.pid, living),
    ended: async () => false,
  });
  if (well) return postmaster;
  await stopPostmaster(postmaster, orphanFastMs);
  return undefined;
}

/** Ends a PostgreSQL that outlived its server, if there is one. */
export async function stopOrphan(site: Site): Promise<void> {
  const found = await findPostmaster(site.dataFolder);
  if (found) await stopPostmaster(await orphanPostmaster(site, found));
}

async function orphanPostmaster(site: Site, { pid, socketFolder }: PostmasterFile): Promise<Postmaster> {
  return {
    pid,
    socketFolder,
    exited: untilGone(site, pid),
    logOffset: await sizeOf(site.logFile),
    kill: async (name) => {
      if (await servesFolder(pid, site.dataFolder)) process.kill(pid, name);
    },
  };
}

async function isWell({ dataFolder }: Site, pid: number, signal: AbortSignal): Promise<boolean> {
  for (const deadline = Date.now() + orphanPatienceMs; ; await sleep(statusPollMs)) {
    signal.throwIfAborted();
    const file = await readPostmasterFile(dataFolder);
    if (file?.pid !== pid) return false;
    if (file.status === "ready") return answers(file.socketFolder);
    if (file.status !== "starting" && Date.now() > deadline) return false;
  }
}

const answers = (socketFolder: string) =>
  probe(socketFolder, orphanProbeMs).then(
    () => true,
    () => false,
  );

async function untilGone({ dataFolder }: Site, pid: number): Promise<string> {
  while (await servesFolder(pid, dataFolder)) await sleep(lifePollMs, undefined, { ref: false });
  return "has ended";
}

/** Fast (open transactions are undone, all is written), then immediate (the next start recovers), then by force. */
export async function stopPostmaster({ kill, exited }: Postmaster, patienceMs = fastMs): Promise<void> {
  const steps = [
    ["SIGINT", patienceMs],
    ["SIGQUIT", Math.min(patienceMs, immediateMs)],
    ["SIGKILL", immediateMs],
  ] as const;
  for (const [name, ms] of steps) {
    await kill(name);
    using patience = timer(ms);
    if (await Promise.race([exited.then(() => true), patience.over])) return;
  }
}

function timer(ms: number): Disposable & { readonly over: Promise<false> } {
  const { promise: over, resolve } = Promise.withResolvers<false>();
  const timeout = setTimeout(resolve, ms, false);
  return { over, [Symbol.dispose]: () => clearTimeout(timeout) };
}
