import { readdir, readFile, readlink } from "node:fs/promises";

/** A TCP socket of this network on which some program listens at the loopback address. */
export interface Listener {
  /** The loopback address that leads to it. */
  readonly host: "127.0.0.1" | "::1";
  readonly port: number;
  readonly inode: string;
}

const listening = "0A";

/** The loopback addresses that lead to a socket's address, as the kernel writes that. */
const hosts: Readonly<Record<string, Listener["host"]>> = {
  "00000000": "127.0.0.1",
  "0100007F": "127.0.0.1",
  "0000000000000000FFFF00000100007F": "127.0.0.1",
  "00000000000000000000000000000000": "::1",
  "00000000000000000000000001000000": "::1",
};

/** Lists the listening sockets that are reachable at the loopback addresses. */
export async function listListeners(): Promise<Listener[]> {
  const tables = await Promise.all(["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(readTable));
  return tables.flatMap(parseSocketTable);
}

/** Parses a table of the kernel; each line has `sl local_address rem_address st … inode …`. */
export function parseSocketTable(table: string): Listener[] {
  return table.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [address = "", port = ""] = local.split(":");
    const host = hosts[address];
    if (state !== listening || host === undefined || inode === undefined) return [];
    return [{ host, port: Number.parseInt(port, 16), inode }];
  });
}

/** Without IPv6 the machine has no such table. */
const readTable = (path: string): Promise<string> => readFile(path, "latin1").catch(() => "");

/** Returns the inodes of the sockets that a process has open; none if it may not be examined. */
export async function listSocketInodes(processId: string): Promise<string[]> {
  const folder = `/proc/${processId}/fd`;
  const descriptors = await readdir(folder).catch(() => []);
  const targets = await Promise.all(descriptors.map((name) => readlink(`${folder}/${name}`).catch(() => "")));
  return targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []);
}
