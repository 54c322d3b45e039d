import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Account } from "./account.ts";

/** PostgreSQL's number for a socket's name; nothing listens on the network. */
export const port = 5432;

/** The longest path a socket may have, in bytes. */
const maxSocketPathBytes = process.platform === "linux" ? 107 : 103;

const prefix = "wharf-postgres-";
/** Where a socket folder outside the data folder is written down, so that the next start finds or removes it. */
const getRecordPath = (folder: string) => join(folder, "socket-folder");
const getNearbyFolder = (folder: string) => join(folder, "socket");

/**
 * A folder for the socket that only the account (and root) may enter: that is what guards the database. It lies in the
 * data folder; where that makes too long a path, a private one under the system's temporary folder takes its place.
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

/** Takes away what `makeSocketFolder` made; only ever called when no PostgreSQL of the folder runs. */
export async function removeSocketFolder(folder: string): Promise<void> {
  await rm(getNearbyFolder(folder), { recursive: true, force: true });
  const recorded = await readFile(getRecordPath(folder), "utf8").catch(() => "");
  const isOurs = basename(recorded).startsWith(prefix) && (await lstat(recorded).catch(() => undefined))?.isDirectory();
  if (isOurs) await rm(recorded, { recursive: true, force: true });
  await rm(getRecordPath(folder), { force: true });
}
