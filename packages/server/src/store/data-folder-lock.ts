import { mkdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { requireClosedFolder } from "@wharf/contract/closed-folder";
import { getErrorCode, getErrorMessage } from "../std/errors.ts";
import { getClaimantPid, claimFolder, type FolderClaim } from "./folder-claim.ts";

/**
 * Allows one server per data folder. The lock has to vanish when its holder dies for any reason,
 * and two servers must never hold it, so only the kernel can keep it: a file that names a process
 * is stale after a kill, and a process that removes it races with the next one. There are two
 * mechanisms, because each has a gap that the other closes:
 *
 * - A lock on a file in the folder. The lock works across containers that share the folder, but
 *   protects nothing once somebody has removed the file. Node has no file locks, but SQLite, which
 *   is part of Node, takes a POSIX record lock for `BEGIN EXCLUSIVE`, on Linux and macOS alike. The
 *   "database" stays empty; nothing is ever written, so a full disk does not matter. The file is
 *   never removed, and nothing else in the process may open it: POSIX drops a process's locks on a
 *   file when any of its descriptors for that file is closed.
 * - A claim on the folder itself (`folder-claim.ts`), which does not depend on a file, on Linux and
 *   within one network namespace.
 *
 * The server notices a removed lock file within seconds, and creates and locks it again. If another
 * server was quicker, that server has the folder, and `onLost` is called.
 */
const lockFile = "wharf.lock";

/** Names the holder for people. The file is valid only while the lock is held. */
const holderFile = "wharf.pid";

/**
 * Two processes that try at the same moment can block each other; retries distinguish that from a
 * held lock.
 */
const maxAttempts = 6;
const getPauseMs = () => 5 + Math.random() * 20;

const checkIntervalMs = 2_000;

/** SQLite's code for a lock that another connection holds. */
const sqliteBusy = 5;

/**
 * Keeps held locks from the garbage collector, which would close and so release a lock whose holder
 * dropped the reference.
 */
const heldLocks = new Set<HeldLock>();

interface HeldLock {
  file: DatabaseSync;
  /** Identifies the locked file, so that a different file at its path is noticed. */
  inode: string | undefined;
}

export interface DataFolderLock extends AsyncDisposable {
  release(): Promise<void>;
}

export interface DataFolderLockOptions {
  /** Called when another process took the folder after somebody had removed the lock file. */
  readonly onLost?: (error: WharfError) => void;
  readonly checkIntervalMs?: number;
}

/**
 * Creates the folder if necessary and locks it until it is released or this process dies; throws
 * `data_folder_busy` if it is held.
 */
export async function lockDataFolder(folder: string, options: DataFolderLockOptions = {}): Promise<DataFolderLock> {
  const path = await createDataFolder(folder);
  const file = await acquireLock(path);
  let claim: FolderClaim | undefined;
  let inode: string | undefined;
  try {
    claim = await claimFolder(path);
    if (!claim) throw await createBusyError(path);
    inode = await getInode(path);
  } catch (error) {
    file.close();
    await claim?.release();
    throw error;
  }
  const lock: HeldLock = { file, inode };
  heldLocks.add(lock);
  await writeHolderFile(path);
  const checks = watchLock(path, lock, options);
  const release = async () => {
    if (!heldLocks.delete(lock)) return;
    clearInterval(checks);
    // A read-only disk keeps the file, which is not valid without the lock.
    await rm(join(path, holderFile), { force: true }).catch(() => undefined);
    lock.file.close();
    await claim?.release();
  };
  return { release, [Symbol.asyncDispose]: release };
}

function watchLock(path: string, lock: HeldLock, options: DataFolderLockOptions): NodeJS.Timeout {
  let checking = false;
  const checkLock = async () => {
    if (checking) return;
    checking = true;
    try {
      await restoreLock(path, lock);
    } catch (error) {
      // A disk that is temporarily unreadable does not mean that the lock is lost; the next check
      // tries again.
      if (!heldLocks.has(lock) || !(error instanceof WharfError) || error.code !== "data_folder_busy") return;
      clearInterval(checks);
      options.onLost?.(error);
    } finally {
      checking = false;
    }
  };
  const checks = setInterval(() => void checkLock(), options.checkIntervalMs ?? checkIntervalMs).unref();
  return checks;
}

/**
 * Locks a new file where the locked one was removed. Fails if another process holds the present
 * file.
 */
async function restoreLock(folder: string, lock: HeldLock): Promise<void> {
  const inode = await getInode(folder);
  if (!heldLocks.has(lock) || inode === lock.inode) return;
  await createLockFile(folder);
  const file = await acquireLock(folder);
  if (!heldLocks.has(lock)) return file.close();
  lock.file.close();
  lock.file = file;
  lock.inode = await getInode(folder);
  await writeHolderFile(folder);
}

/**
 * A full disk must not prevent a start: without the file, the next server just cannot name the
 * holder of the folder.
 */
async function writeHolderFile(folder: string): Promise<void> {
  const holder = join(folder, holderFile);
  await writeFile(holder, `${process.pid}\n`).catch(() => rm(holder, { force: true }).catch(() => undefined));
}

const getInode = (folder: string): Promise<string | undefined> =>
  stat(join(folder, lockFile), { bigint: true }).then(
    ({ dev, ino }) => `${dev}:${ino}`,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return undefined;
    },
  );

/**
 * Creates the folder for the server alone; if root runs the server, also traversable (not readable)
 * for the user that its database runs as.
 */
async function createDataFolder(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    const path = await realpath(folder);
    await requireClosedFolder(folder);
    await createLockFile(path);
    return path;
  } catch (error) {
    throw toFolderError(folder, error);
  }
}

/**
 * Creates the file here and not in SQLite so that no other user may open it: any reader of a file
 * can lock it.
 */
async function createLockFile(folder: string): Promise<void> {
  await writeFile(join(folder, lockFile), "", { flag: "wx", mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function acquireLock(folder: string): Promise<DatabaseSync> {
  for (let attempt = 1; ; attempt++) {
    const lock = tryLock(folder);
    if (lock) return lock;
    if (attempt === maxAttempts) throw await createBusyError(folder);
    await sleep(getPauseMs());
  }
}

function tryLock(folder: string): DatabaseSync | undefined {
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(join(folder, lockFile), { timeout: 0 });
    file.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return file;
  } catch (error) {
    file?.close();
    if (error instanceof Error && "errcode" in error && error.errcode === sqliteBusy) return undefined;
    throw toFolderError(folder, error);
  }
}

/**
 * The holder answers with its process id; a holder in another container is known only from its
 * file.
 */
async function createBusyError(folder: string): Promise<WharfError> {
  const holderText = await readFile(join(folder, holderFile), "utf8").catch(() => "");
  const pid = (await getClaimantPid(folder)) ?? (holderText.trim() || "unknown");
  return new WharfError("data_folder_busy", { path: folder, pid });
}

function toFolderError(folder: string, error: unknown): WharfError {
  if (error instanceof WharfError) return error;
  if (getErrorCode(error) === "ENOSPC") return new WharfError("disk_full", { path: folder }, { cause: error });
  const reason = `${folder} cannot be used: ${getErrorMessage(error)}`;
  return new WharfError("config_invalid", { name: "WHARF_DATA", reason }, { cause: error });
}
