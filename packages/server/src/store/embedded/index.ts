/**
 * A PostgreSQL that the server manages, for one machine: created on first use, adopted or replaced
 * if an earlier server left it running, restarted when it dies, and reachable only over a unix
 * socket in a folder that no other user may enter.
 */
import { access, chmod, realpath } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { createNeverSignal } from "../../std/abort.ts";
import { lockDataFolder } from "../data-folder-lock.ts";
import { findInaccessibleFolder } from "./account.ts";
import { type ClusterSite, getSite } from "./cluster-site.ts";
import { createCluster } from "./cluster.ts";
import { adoptPostmaster, type Postmaster, startPostmaster, stopOrphan } from "./postmaster.ts";
import { findPrograms } from "./programs.ts";
import { createSocketFolder, removeSocketFolder } from "./socket-folder.ts";
import { type PostgresNoticeHandler, Supervisor } from "./supervisor.ts";

export type { PostgresNotice } from "./supervisor.ts";

export interface EmbeddedPostgresOptions {
  /** Holds everything that belongs to the database: the cluster, its log, its socket. */
  readonly folder: string;
  /** Called when PostgreSQL starts, ends and restarts. */
  readonly notify?: PostgresNoticeHandler;
  /** Aborts the start. A PostgreSQL that has started continues until `stop`. */
  readonly signal?: AbortSignal;
}

export interface EmbeddedPostgres extends AsyncDisposable {
  /** Options for `pg`. They stay the same when PostgreSQL restarts. */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
    readonly ssl: false;
  };
  /** The id of the PostgreSQL process that is running or ran last. */
  readonly pid: number;
  /** Resolves once the database was stopped for good. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Resolves when the database accepts connections. A second start on the same folder fails with
 * `data_folder_busy`.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { notify = () => undefined, signal = createNeverSignal() } = options;
  await using starting = new AsyncDisposableStack();
  const lock = starting.use(await lockDataFolder(options.folder));
  const site = await getSite(await realpath(options.folder));
  await ensureReachable(site);
  const supervisor = new Supervisor(site, await obtainPostmaster(site, notify, signal), notify);
  starting.move();

  const { promise: exited, resolve: end } = Promise.withResolvers<void>();
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= supervisor
      .stop()
      .finally(() => lock.release())
      .finally(end));
  return {
    connection: supervisor.connection,
    get pid() {
      return supervisor.pid;
    },
    exited,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Ends the PostgreSQL of a folder that no server uses any more. Its data remains. */
export async function stopEmbeddedPostgres(folder: string): Promise<void> {
  const isMissing = (error: NodeJS.ErrnoException): undefined => {
    if (error.code !== "ENOENT") throw error;
  };
  const path = await realpath(folder).catch(isMissing);
  if (path !== undefined) await stopOrphan(await getSite(path));
}

/** PostgreSQL has to reach its files, even if it runs as a different user than the server. */
async function ensureReachable({ folder, account }: ClusterSite): Promise<void> {
  if ((await findInaccessibleFolder(folder, account)) === folder) await chmod(folder, 0o711);
  const closed = await findInaccessibleFolder(folder, account);
  if (!closed) return;
  throw new WharfError("config_invalid", {
    name: "WHARF_DATA",
    reason:
      `PostgreSQL does not run as root. A server that runs as root starts it as user id ${account?.uid}, which may not enter ${closed}. ` +
      `Choose a data folder outside it with WHARF_DATA, let others enter it (chmod o+x ${closed}), or set DATABASE_URL.`,
  });
}

/** Returns the PostgreSQL to supervise: one that outlived an earlier server, or a new one. */
async function obtainPostmaster(
  site: ClusterSite,
  notify: PostgresNoticeHandler,
  signal: AbortSignal,
): Promise<Postmaster> {
  const began = performance.now();
  const getElapsedMs = () => Math.round(performance.now() - began);
  const adopted = await adoptPostmaster(site, signal);
  if (adopted) {
    notify({ kind: "adopted", pid: adopted.pid, ms: getElapsedMs() });
    return adopted;
  }
  const programs = await findPrograms(site);
  if (!(await hasCluster(site))) {
    await createCluster(site.dataFolder, { programs, account: site.account });
    notify({ kind: "initialized", ms: getElapsedMs() });
  }
  const socketFolder = await createSocketFolder(site.folder, site.account);
  try {
    const started = await startPostmaster(site, { programs, socketFolder, signal });
    notify({ kind: "started", pid: started.pid, ms: getElapsedMs() });
    return started;
  } catch (error) {
    await removeSocketFolder(site.folder);
    throw error;
  }
}

const hasCluster = ({ dataFolder }: ClusterSite) =>
  access(dataFolder).then(
    () => true,
    () => false,
  );
