import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import type { Settings } from "./settings.ts";

/** Where a server is and what it lets one in with. */
export interface Address {
  readonly url: string;
  readonly token?: string;
}

/** Asked anew before every attempt: a server that was started again may have another port. */
export type Locate = () => Promise<Address>;

/** What a server writes into its data folder while it serves. */
const addressFile = "server.json";
const tokenFile = "owner-token";
const ServerFile = z.object({ url: z.url() });

/** The server that was named, else the one that serves the data folder. */
export function locator(settings: Settings): Locate {
  const { url, dataFolder } = settings;
  return async () => {
    const token = settings.token ?? (await readToken(dataFolder, url));
    const withToken = token === undefined ? {} : { token };
    if (url !== undefined) return { url, ...withToken };
    const served = await servedAddress(dataFolder);
    if (served === undefined)
      throw new WharfError("server_unreachable", { url: dataFolder, reason: "no server uses this data folder" });
    return { url: served, ...withToken };
  };
}

/** The address in the file a server leaves while it serves; also there when it was killed. */
async function servedAddress(dataFolder: string): Promise<string | undefined> {
  const text = await readFile(join(dataFolder, addressFile), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  return ServerFile.safeParse(parseJson(text)).data?.url;
}

/** The owner's token is given to the server of this folder and to no other address. */
async function readToken(dataFolder: string, url: string | undefined): Promise<string | undefined> {
  if (url !== undefined && !isSame(url, await servedAddress(dataFolder))) return undefined;
  const token = await readFile(join(dataFolder, tokenFile), "utf8").catch(() => undefined);
  return token?.trim() || undefined;
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
