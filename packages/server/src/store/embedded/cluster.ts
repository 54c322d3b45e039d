import { execFile } from "node:child_process";
import { chown, lchown, mkdtemp, open, readdir, readFile, rename, rm, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { WharfError } from "@wharf/contract";
import { getErrorCode } from "../../std/errors.ts";
import { type Account, getNamedAccount } from "./account.ts";
import type { PostgresPrograms } from "./programs.ts";

/** The only role of a cluster and the database that Wharf uses; `initdb` creates both. */
export const role = "wharf";
export const database = "postgres";

/**
 * PostgreSQL gets none of the server's environment, which holds keys and PG variables that would
 * change PostgreSQL's behaviour.
 */
export const environment = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", PGTZ: "UTC" };

/**
 * Clusters are created next to their final path under this name, so that an incomplete one is never
 * taken for a cluster.
 */
const unfinishedPrefix = "cluster-new-";
/** Holds the id of the process that creates the cluster. */
const makerFile = "initdb.pid";
const makerTimeoutMs = 60_000;

interface ClusterOptions {
  readonly programs: PostgresPrograms;
  /** The owner of the files. */
  readonly account: Account | undefined;
  /** False only where the data may be lost, as in tests. */
  readonly durable?: boolean;
}

/**
 * Creates an empty cluster at `dataFolder`. The cluster appears whole or not at all, even if this
 * process dies. The creation takes half a second and must not be aborted: an `initdb` that is
 * killed leaves shared memory behind.
 */
export async function createCluster(dataFolder: string, options: ClusterOptions): Promise<void> {
  const parent = dirname(dataFolder);
  await removeUnfinishedClusters(parent);
  const unfinished = await mkdtemp(join(parent, unfinishedPrefix));
  try {
    await initializeCluster(unfinished, options);
    await rename(join(unfinished, "data"), dataFolder);
    if (options.durable !== false) await syncFolder(parent);
  } finally {
    await removeFolder(unfinished);
  }
}

async function initializeCluster(unfinished: string, { programs, account, durable }: ClusterOptions): Promise<void> {
  const folder = join(unfinished, "data");
  const maker = await getNamedAccount();
  const args = ["-D", folder, "-U", role, "-A", "trust", "-E", "UTF8", "--locale=C", "--data-checksums"];
  if (durable === false) args.push("--no-sync");
  try {
    if (maker) await chown(unfinished, maker.uid, maker.gid);
    const running = promisify(execFile)(programs.initdb, args, { ...maker, env: environment, cwd: "/" });
    await Promise.all([running, writeFile(join(unfinished, makerFile), `${running.child.pid}`)]);
    if (account) await setOwner(folder, account);
  } catch (error) {
    throw await toClusterError(error, dirname(unfinished));
  }
}

async function toClusterError(error: unknown, folder: string): Promise<WharfError> {
  const errorOutput = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
  if (/No space left on device/.test(errorOutput) || (await isFull(folder)))
    return new WharfError("disk_full", { path: folder }, { cause: error });
  const line = errorOutput.split("\n").find((text) => /error|fatal|could not|cannot/i.test(text));
  const unnamed = /could not look up effective user ID/.test(errorOutput);
  const reason = unnamed
    ? "initdb needs a name for the user that runs the server: add the user to /etc/passwd or set DATABASE_URL."
    : `could not create a new cluster: ${line?.trim() ?? String(error)}`;
  return new WharfError("database_unavailable", { reason }, { cause: error });
}

/**
 * A PostgreSQL with less free space than one segment of its write-ahead log (16 MiB) will stop
 * soon, if it has not yet.
 */
export async function isFull(folder: string): Promise<boolean> {
  const disk = await statfs(folder).catch(() => undefined);
  return disk !== undefined && disk.bavail * disk.bsize < 16 * 1024 * 1024;
}

async function setOwner(folder: string, { uid, gid }: Account): Promise<void> {
  await lchown(folder, uid, gid);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    await lchown(join(entry.parentPath, entry.name), uid, gid);
  }
}

/**
 * Removes the unfinished clusters of a killed server. Its `initdb` may still run and is allowed to
 * finish, because it would not clean up if its files vanished.
 */
async function removeUnfinishedClusters(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(unfinishedPrefix)) continue;
    const maker = Number(await readFile(join(parent, name, makerFile), "utf8").catch(() => "0"));
    for (const deadline = Date.now() + makerTimeoutMs; maker > 0 && isAlive(maker) && Date.now() < deadline;)
      await sleep(20);
    await removeFolder(join(parent, name));
  }
}

const removeFolder = (folder: string) => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return getErrorCode(error) === "EPERM";
  }
}

/** A rename is durable only once its folder is synced. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
