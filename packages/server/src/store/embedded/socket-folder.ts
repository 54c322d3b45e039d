import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Account } from "./account.ts";

/** PostgreSQL's number for a socket's name; nothing listens on the network. */
export const port = 5432;

/** The longest path that a socket may have. */
const maxSocketPathBytes = process.platform === "linux" ? 107 : 103;

const prefix = "wharf-postgres-";
/** Records a socket folder outside the data folder, so that the next start finds or removes it. */
const getRecordPath = (folder: string) => join(folder, "socket-folder");
const getNearbyFolder = (folder: string) => join(folder, "socket");

/**
 * Creates a folder for the socket that only the account (and root) may enter: this is what protects
 * the database. The folder is in the data folder; if that makes the path too long, a private folder
 * in the system's temporary folder replaces it.
 */
export async function createSocketFolder(folder: string, account: Account | undefined): Promise<string> {
  await removeSocketFolder(folder);
  const nearbyFolder = getNearbyFolder(folder);
  const fits = Buffer.byteLength(join(nearbyFolder, `.s.PGSQL.${port}`)) <= maxSocketPathBytes;
  const socketFolder = fits ? await createFolder(nearbyFolder) : await mkdtemp(join(tmpdir(), prefix));
  await chmod(socketFolder, 0o700);
  if (account) await chown(socketFolder, account.uid, account.gid);
  if (!fits) await writeFile(getRecordPath(folder), socketFolder, { mode: 0o600 });
  return socketFolder;
}

async function createFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * Removes what `createSocketFolder` created; must only be called when no PostgreSQL of the folder
 * runs.
 */
export async function removeSocketFolder(folder: string): Promise<void> {
  await rm(getNearbyFolder(folder), { recursive: true, force: true });
  const recorded = await readFile(getRecordPath(folder), "utf8").catch(() => "");
  const isOurs = basename(recorded).startsWith(prefix) && (await lstat(recorded).catch(() => undefined))?.isDirectory();
  if (isOurs) await rm(recorded, { recursive: true, force: true });
  await rm(getRecordPath(folder), { force: true });
}
