import { mkdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { requireClosedFolder } from "@wharf/contract/closed-folder";
import { getClaimantPid, claimFolder, type FolderClaim } from "./folder-claim.ts";

/**
 * One server per data folder. The lock has to go when its holder dies in whatever way, and must never be taken by two, so
 * only the kernel can keep it: a file naming a process is stale after a kill, and whoever clears it away races with the next.
 * There are two walls, because each has a gap that the other closes:
 *
 * - A lock on a file in the folder. It holds between containers that share the folder. It guards nothing once somebody has
 *   removed the file. Node has no file locks of its own, but SQLite, which is inside Node, takes a POSIX record lock for
 *   `BEGIN EXCLUSIVE`, on Linux and macOS alike. The "database" stays empty; nothing is ever written, so a full disk does
 *   not matter. The file is never removed, and nothing else in the process may open it: POSIX drops a process's locks on a
 *   file when any of its descriptors for that file is closed.
 * - A claim on the folder itself (`folder-claim.ts`), which no file can take away, on Linux and within one network namespace.
 *
 * A removed lock file is noticed within seconds, created and locked again. If another server was quicker, it has the
 * folder, and `onLost` is called.
 */
const lockFile = "wharf.lock";

/** Names the holder for people. It is only believed while the lock is held. */
const holderFile = "wharf.pid";

/** Two who try at the same moment can each stop the other; a held lock is told from that by trying again. */
const maxAttempts = 6;
const getPauseMs = () => 5 + Math.random() * 20;

const checkIntervalMs = 2_000;

/** SQLite's code for "another holds it". */
const sqliteBusy = 5;

/** Keeps held locks from the garbage collector, which would close and so release one whose holder lost sight of it. */
const heldLocks = new Set<HeldLock>();

interface HeldLock {
  file: DatabaseSync;
  /** Identifies the locked file, so that another one at its path is noticed. */
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

/** Makes the folder if need be and locks it until it is released or this process dies; `data_folder_busy` if it is held. */
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
    // A disk that takes no changes keeps the file; it is not believed without the lock.
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
      // A disk that cannot be read now says nothing about the lock; the next check looks again.
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

/** Locks a new file where the locked one was removed. Fails where another process holds the file that is there now. */
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

/** A full disk must not keep a server from starting: then the next one just does not learn who holds the folder. */
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

/** The server's own, and where root runs it passable (not readable) for the user that its database runs as. */
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

/** Made here and not by SQLite so that nobody else may open it: whoever can read a file can lock it. */
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

/** The holder says itself who it is; one in another container is known from its file alone. */
async function createBusyError(folder: string): Promise<WharfError> {
  const holderText = await readFile(join(folder, holderFile), "utf8").catch(() => "");
  const pid = (await getClaimantPid(folder)) ?? (holderText.trim() || "unknown");
  return new WharfError("data_folder_busy", { path: folder, pid });
}

function toFolderError(folder: string, error: unknown): WharfError {
  if (error instanceof WharfError) return error;
  if (error instanceof Error && "code" in error && error.code === "ENOSPC")
    return new WharfError("disk_full", { path: folder }, { cause: error });
  const reason = `${folder} cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  return new WharfError("config_invalid", { name: "WHARF_DATA", reason }, { cause: error });
}
