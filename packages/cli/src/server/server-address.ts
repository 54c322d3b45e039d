import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { requireClosedFolder } from "@wharf/contract/closed-folder";
import { addressFile, socketFile, tokenFile } from "@wharf/contract/data-folder";
import { z } from "zod";
import type { Settings } from "../settings/settings.ts";

type ServerSettings = Pick<Settings, "dataFolder"> & Partial<Pick<Settings, "url" | "token" | "organization">>;

/** Holds a server's address and the token for it. */
export interface ServerAddress {
  readonly url: string;
  readonly token?: string;
  /** Selects one of the user's organizations. */
  readonly organization?: string;
  /** Names the server's data folder: requests use the socket in it, and `url` is only a name. */
  readonly folder?: string;
}

/** Runs before every attempt: a restarted server may have another port. */
export type LocateServer = () => Promise<ServerAddress>;

const ServerFile = z.object({ url: z.url() });

/** Returns the token of a saved login at a server. */
type GetLoginToken = (url: string) => Promise<string | undefined>;

/** Requests to a folder's server use this name and never leave this machine. */
const folderUrl = "http://localhost";

/**
 * Locates the named server, or else the server of the data folder. The folder's token is sent only
 * through the folder's socket: any process may listen at an address that a server left in a file.
 */
export function createLocator(settings: ServerSettings, getLoginToken?: GetLoginToken): LocateServer {
  const { organization } = settings;
  const locate = createServerLocator(settings, getLoginToken);
  return organization === undefined ? locate : async () => ({ ...(await locate()), organization });
}

function createServerLocator({ url, token, dataFolder }: ServerSettings, getLoginToken?: GetLoginToken): LocateServer {
  let closed: Promise<void> | undefined;
  return async () => {
    if (url !== undefined && token !== undefined) return { url, token };
    const loginToken = url === undefined ? undefined : await getLoginToken?.(url);
    if (url !== undefined && loginToken !== undefined) return { url, token: loginToken };
    await (closed ??= requireClosedFolder(dataFolder));
    if (url === undefined) return getFolderAddress(dataFolder, token);
    return isSame(url, await getServedAddress(dataFolder)) ? getFolderAddress(dataFolder) : { url };
  };
}

/** Returns the address of the server for a browser. */
export const getPublicUrl = async ({ url, dataFolder }: Settings): Promise<string> =>
  url ?? (await getServedAddress(dataFolder)) ?? folderUrl;

/** Returns a server's name for messages. */
export const getServerName = ({ url, folder }: ServerAddress): string => folder ?? url;

async function getFolderAddress(folder: string, named?: string): Promise<ServerAddress> {
  const socket = await stat(join(folder, socketFile)).catch(() => undefined);
  if (!socket?.isSocket()) throw createUnservedError(folder);
  const tokenPath = join(folder, tokenFile);
  const token = named ?? ((await readFile(tokenPath, "utf8").catch(() => "")).trim() || undefined);
  const owner = await stat(tokenPath).catch(() => undefined);
  if (owner !== undefined && socket.uid !== owner.uid && socket.uid !== 0)
    throw new WharfError("server_unreachable", { url: folder, reason: "its socket belongs to another user" });
  return { url: folderUrl, folder, ...(token !== undefined && { token }) };
}

export const createUnservedError = (folder: string, cause?: unknown): WharfError =>
  new WharfError("server_unreachable", { url: folder, reason: "no server uses this data folder" }, { cause });

/** Reads the address file of a running server; a killed server leaves the file behind. */
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
