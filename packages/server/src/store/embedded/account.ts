import { readFile, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { WharfError } from "@wharf/contract";

/** Whom a process runs as. Absent where it is simply whoever runs the server. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses to run as root. For a server run by root its database runs under this number, which lies between
 * the ranges that people, services and containers are given: nobody else on the machine is this user, so a folder that
 * only it may enter needs no password.
 */
const dedicatedAccount: Account = { uid: 60_632, gid: 60_632 };

const isRoot = () => process.getuid?.() === 0;

/** The account of a cluster: whoever owns its files already, or the dedicated one for a new one. */
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
 * An account that has a name: `initdb` asks the system for the name of its user and stops where there is none, which the
 * server itself does not. Its files are handed to the account of the cluster afterwards.
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

/** Which of a folder and those above it the account may not pass, if there is one. */
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
