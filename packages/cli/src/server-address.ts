import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { requireClosedFolder } from "@wharf/contract/closed-folder";
import { addressFile, socketFile, tokenFile } from "@wharf/contract/data-folder";
import { z } from "zod";
import type { Settings } from "./settings.ts";

/** Where a server is and what it lets one in with. */
export interface ServerAddress {
  readonly url: string;
  readonly token?: string;
  /** The data folder whose server is meant: it is reached by the socket in it, and `url` only names it. */
  readonly folder?: string;
}

/** Asked anew before every attempt: a server that was started again may have another port. */
export type LocateServer = () => Promise<ServerAddress>;

const ServerFile = z.object({ url: z.url() });

/** The name of a folder's server in requests, which never leave this machine. */
const folderUrl = "http://localhost";

/**
 * The server that was named, else the one that serves the data folder. The folder's token goes through the folder's socket
 * and nowhere else: anybody may listen at an address that a server left in a file.
 */
export function createLocator(settings: Settings): LocateServer {
  const { url, token, dataFolder } = settings;
  let closed: Promise<void> | undefined;
  return async () => {
    if (url !== undefined && token !== undefined) return { url, token };
    await (closed ??= requireClosedFolder(dataFolder));
    if (url === undefined) return getFolderAddress(dataFolder, token);
    return isSame(url, await getServedAddress(dataFolder)) ? getFolderAddress(dataFolder) : { url };
  };
}

/** How a server is called in messages. */
export const getServerName = ({ url, folder }: ServerAddress): string => folder ?? url;

async function getFolderAddress(folder: string, named?: string): Promise<ServerAddress> {
  const socket = await stat(join(folder, socketFile)).catch(() => undefined);
  if (!socket?.isSocket()) throw createUnservedError(folder);
  const tokenPath = join(folder, tokenFile);
  const token = named ?? ((await readFile(tokenPath, "utf8").catch(() => "")).trim() || undefined);
  const owner = await stat(tokenPath).catch(() => undefined);
  if (owner !== undefined && socket.uid !== owner.uid && socket.uid !== 0)
    throw new WharfError("server_unreachable", { url: folder, reason: "the socket in it is another user's" });
  return { url: folderUrl, folder, ...(token !== undefined && { token }) };
}

export const createUnservedError = (folder: string, cause?: unknown): WharfError =>
  new WharfError("server_unreachable", { url: folder, reason: "no server uses this data folder" }, { cause });

/** The address in the file a server leaves while it serves; also there when it was killed. */
async function getServedAddress(dataFolder: string): Promise<string | undefined> {
  const text = await readFile(join(dataFolder, addressFile), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  return ServerFile.safeParse(parseJson(text)).data?.url;
}

function isSame(named: string, served: string | undefined): boolean {
  if (served === undefined) return false;
  const [a, b] = [new URL(named), new URL(served)];
  a.hostname = a.hostname === "localhost" ? "127.0.0.1" : a.hostname;
  return a.origin === b.origin;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
