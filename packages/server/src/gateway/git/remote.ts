import { realpath, stat } from "node:fs/promises";
import { isAbsolute, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { WharfError } from "@wharf/contract";
import { getHash } from "../../std/hash.ts";

export interface Remote {
  readonly id: string;
  /** The address that git gets. */
  readonly address: string;
  /** The address without a password, for display. */
  readonly shown: string;
  /**
   * A password inside the address; the server removes it from git's output before anyone reads
   * that.
   */
  readonly secret?: string;
  readonly local: boolean;
  /** Name and port of the server; missing for a path of this machine. */
  readonly host?: string;
}

const maxUrlLength = 2048;
const scpLike = /^(?:[A-Za-z0-9][\w.+-]*@)?[A-Za-z0-9][\w.-]*:(?!:)[^-].*$/;

const getRemoteId = (normalised: string) => getHash(normalised).slice(0, 20);

const createAddressError = (message: string) =>
  new WharfError("bad_request", { issues: [{ path: "repository_url", message }] });

/**
 * Refuses a local repository inside a folder of Wharf's own, following links: Wharf's mirrors hold
 * every task's work.
 */
export async function refuseRemoteInside(folder: string, remote: Remote): Promise<void> {
  if (!remote.local) return;
  const way = relative(await realpath(folder), remote.address);
  if (way === ".." || way.startsWith("../") || isAbsolute(way)) return;
  throw createAddressError("is in Wharf's own data folder; use the repository that it was created from");
}

/**
 * Parses the URL of a repository. Allows only transports that do not run a program of the URL's
 * choice.
 */
export async function parseRemote(url: string): Promise<Remote> {
  const trimmedUrl = url.trim();
  // eslint-disable-next-line no-control-regex
  if (trimmedUrl === "" || trimmedUrl.length > maxUrlLength || /[\u0000-\u001f\u007f]/.test(trimmedUrl))
    throw createAddressError("is not an address of a repository");
  if (trimmedUrl.startsWith("-")) throw createAddressError("must not begin with '-'");
  if (isAbsolute(trimmedUrl)) return createLocalRemote(trimmedUrl, trimmedUrl);
  if (/^file:\/\//i.test(trimmedUrl)) return createLocalRemote(trimmedUrl, parseFilePath(trimmedUrl));
  if (/^(https?|ssh):\/\//i.test(trimmedUrl)) return createNetworkRemote(trimmedUrl);
  if (!trimmedUrl.includes("://") && scpLike.test(trimmedUrl))
    return {
      id: getRemoteId(trimmedUrl.replace(/\/+$/, "")),
      address: trimmedUrl,
      shown: trimmedUrl,
      local: false,
      host: parseScpHost(trimmedUrl),
    };
  throw createAddressError("must be an https, http, ssh or file address, user@host:path, or an absolute path");
}

function parseFilePath(address: string): string {
  try {
    return fileURLToPath(address);
  } catch (cause) {
    throw new WharfError(
      "bad_request",
      { issues: [{ path: "repository_url", message: "is not a valid file address" }] },
      { cause },
    );
  }
}

async function createLocalRemote(address: string, path: string): Promise<Remote> {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return { id: getRemoteId(real), address: real, shown: address, local: true };
  } catch (cause) {
    throw new WharfError("repository_missing", { url: address }, { cause });
  }
  throw new WharfError("repository_missing", { url: address });
}

function createNetworkRemote(address: string): Remote {
  const url = URL.parse(address);
  if (!url || url.hostname === "" || url.hostname.startsWith("-") || url.username.startsWith("-"))
    throw createAddressError("is not a valid address");
  const normalised = url.href.replace(/\/+$/, "");
  const shownUrl = new URL(url);
  shownUrl.password = "";
  return {
    id: getRemoteId(normalised),
    address: normalised,
    shown: shownUrl.href.replace(/\/+$/, ""),
    local: false,
    host: url.host.toLowerCase(),
    ...getSecret(url),
  };
}

const parseScpHost = (address: string): string =>
  address.slice(address.indexOf("@") + 1, address.indexOf(":")).toLowerCase();

function getSecret(url: URL): { secret?: string } {
  return url.password === "" ? {} : { secret: url.password };
}

const branchName = /^(?!.*(?:\.\.|\/\/|\.lock(?:\/|$)|\/\.|\.\/))[A-Za-z0-9_][A-Za-z0-9._/-]*[A-Za-z0-9_-]$/;

/** Checks the names that Wharf gives to tasks' branches, which are narrower than git's rules. */
export const isShadowBranch = (branch: string): boolean =>
  branch.startsWith("shadow/") && branch.length <= 200 && branchName.test(branch);

/** Removes a password from git's output. */
export const removeSecret = (text: string, remote: Remote): string =>
  remote.secret === undefined
    ? text
    : text.replaceAll(remote.secret, "***").replaceAll(decodeURIComponent(remote.secret), "***");
