import { readFile, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { WharfError } from "@wharf/contract";

/**
 * The user and group that a process runs as. Absent if the process runs as the server's own user.
 */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses to run as root. If root runs the server, the database runs under this number,
 * which is between the ranges for people, services and containers: nothing else on the machine uses
 * it, so a folder that only this user may enter needs no password.
 */
const dedicatedAccount: Account = { uid: 60_632, gid: 60_632 };

const isRoot = () => process.getuid?.() === 0;

/**
 * Returns the account of a cluster: the owner of its files, or the dedicated account for a new
 * cluster.
 */
export async function chooseAccount(dataFolder: string): Promise<Account | undefined> {
  const folderStats = await stat(dataFolder).catch(() => undefined);
  if (isRoot())
    return folderStats && folderStats.uid !== 0 ? { uid: folderStats.uid, gid: folderStats.gid } : dedicatedAccount;
  if (!folderStats || folderStats.uid === process.getuid?.()) return undefined;
  throw new WharfError("config_invalid", {
    name: "WHARF_DATA",
    reason: `${dataFolder} belongs to user id ${folderStats.uid}. Start the server as that user or choose another folder.`,
  });
}

/**
 * Returns an account that has a name: `initdb` looks up the name of its user and fails without one,
 * while the server itself needs none. The files are handed to the cluster's account afterwards.
 */
export async function getNamedAccount(): Promise<Account | undefined> {
  if (!isRoot()) return undefined;
  const users = await readFile("/etc/passwd", "utf8").catch(() => "");
  const entries = users.split("\n").flatMap((line): { name: string; account: Account }[] => {
    const [name = "", , uid, gid] = line.split(":");
    const account = { uid: Number(uid), gid: Number(gid) };
    return account.uid > 0 && Number.isInteger(account.gid) ? [{ name, account }] : [];
  });
  return (entries.find(({ name }) => name === "nobody") ?? entries[0])?.account ?? { uid: 65_534, gid: 65_534 };
}

/** Returns the first of a folder and its parents that the account may not traverse, if any. */
export async function findInaccessibleFolder(
  targetPath: string,
  account: Account | undefined,
): Promise<string | undefined> {
  if (!account) return undefined;
  for (let folder = await realpath(targetPath); ; folder = dirname(folder)) {
    const { mode, uid, gid } = await stat(folder);
    const pass = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if (!(mode & pass)) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}
