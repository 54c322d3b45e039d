import { mkdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";

/**
 * One server per data folder. The lock has to go when its holder dies in whatever way, and must never be taken by two, so
 * only the kernel can keep it: a file naming a process is stale after a kill, and whoever clears it away races with the next.
 * Node has no file locks of its own, but SQLite, which is inside Node, takes a POSIX record lock for `BEGIN EXCLUSIVE`, on
 * Linux and macOS alike. The "database" stays empty; nothing is ever written, so a full disk does not matter.
 *
 * The file is never removed, as a lock on a removed file guards nothing, and nothing else in the process may open it: POSIX
 * drops a process's locks on a file when any of its descriptors for that file is closed.
 */
const lockFile = "wharf.lock";

/** Names the holder for people. It is only believed while the lock is held. */
const holderFile = "wharf.pid";

/** Two who try at the same moment can each stop the other; a held lock is told from that by trying again. */
const tries = 6;
const pauseMs = () => 5 + Math.random() * 20;

/** SQLite's code for "another holds it". */
const sqliteBusy = 5;

/** Keeps held locks from the garbage collector, which would close and so release one whose holder lost sight of it. */
const held = new Set<DatabaseSync>();

export interface DataFolderLock extends AsyncDisposable {
  release(): Promise<void>;
}

/** Makes the folder if need be and locks it until it is released or this process dies; `data_folder_busy` if it is held. */
export async function lockDataFolder(folder: string): Promise<DataFolderLock> {
  const path = await makeFolder(folder);
  const lock = await acquire(path);
  held.add(lock);
  const holder = join(path, holderFile);
  // A full disk must not keep a server from starting: then the next one just does not learn who holds the folder.
  await writeFile(holder, `${process.pid}\n`).catch(() => rm(holder, { force: true }));
  const release = async () => {
    if (!held.delete(lock)) return;
    await rm(holder, { force: true }).finally(() => lock.close());
  };
  return { release, [Symbol.asyncDispose]: release };
}

/** The server's own, and where root runs it passable (not readable) for the user that its database runs as. */
async function makeFolder(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    const path = await realpath(folder);
    // Made here and not by SQLite so that nobody else may open it: whoever can read a file can lock it.
    await writeFile(join(path, lockFile), "", { flag: "wx", mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    return path;
  } catch (error) {
    throw unusable(folder, error);
  }
}

async function acquire(folder: string): Promise<DatabaseSync> {
  for (let attempt = 1; ; attempt++) {
    const lock = tryLock(folder);
    if (lock) return lock;
    if (attempt === tries) throw new WharfError("data_folder_busy", { path: folder, pid: await holderOf(folder) });
    await sleep(pauseMs());
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
    throw unusable(folder, error);
  }
}

const holderOf = (folder: string) =>
  readFile(join(folder, holderFile), "utf8").then(
    (text) => text.trim() || "unknown",
    () => "unknown",
  );

function unusable(folder: string, error: unknown): WharfError {
  if (error instanceof Error && "code" in error && error.code === "ENOSPC")
    return new WharfError("disk_full", { path: folder }, { cause: error });
  const reason = `${folder} cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  return new WharfError("config_invalid", { name: "WHARF_DATA", reason }, { cause: error });
}
