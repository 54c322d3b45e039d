import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { isAbsolute, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { WharfError } from "@wharf/contract";

export interface Remote {
  readonly id: string;
  /** What git is given. */
  readonly address: string;
  /** What people may see: without a password. */
  readonly shown: string;
  /** A password inside the address; taken out of git's own words before anyone reads them. */
  readonly secret?: string;
  readonly local: boolean;
  /** Name and port of the server; missing for a path of this machine. */
  readonly host?: string;
}

const maxUrlLength = 2048;
const scpLike = /^(?:[A-Za-z0-9][\w.+-]*@)?[A-Za-z0-9][\w.-]*:(?!:)[^-].*$/;

const idOf = (normalised: string) => createHash("sha256").update(normalised).digest("hex").slice(0, 20);

const refused = (message: string) => new WharfError("bad_request", { issues: [{ path: "repository_url", message }] });

/** Refuses a repository of this machine inside a folder that is Wharf's own, links followed: its mirrors hold every task's work. */
export async function refuseInside(folder: string, remote: Remote): Promise<void> {
  if (!remote.local) return;
  const way = relative(await realpath(folder), remote.address);
  if (way === ".." || way.startsWith("../") || isAbsolute(way)) return;
  throw refused("lies in Wharf's own data folder; name the repository it was made from");
}

/** Decides what an address of a repository means. Only transports that run no program of the address's choosing pass. */
export async function parseRemote(url: string): Promise<Remote> {
  const given = url.trim();
  // eslint-disable-next-line no-control-regex
  if (given === "" || given.length > maxUrlLength || /[\u0000-\u001f\u007f]/.test(given))
    throw refused("is not an address of a repository");
  if (given.startsWith("-")) throw refused("must not begin with '-'");
  if (isAbsolute(given)) return localRemote(given, given);
  if (/^file:\/\//i.test(given)) return localRemote(given, pathOf(given));
  if (/^(https?|ssh):\/\//i.test(given)) return networkRemote(given);
  if (!given.includes("://") && scpLike.test(given))
    return {
      id: idOf(given.replace(/\/+$/, "")),
      address: given,
      shown: given,
      local: false,
      host: readScpHost(given),
    };
  throw refused("must be an https, http, ssh or file address, user@host:path, or an absolute path");
}

function pathOf(given: string): string {
  try {
    return fileURLToPath(given);
  } catch (cause) {
    throw new WharfError(
      "bad_request",
      { issues: [{ path: "repository_url", message: "is not a valid file address" }] },
      { cause },
    );
  }
}

async function localRemote(given: string, path: string): Promise<Remote> {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return { id: idOf(real), address: real, shown: given, local: true };
  } catch (cause) {
    throw new WharfError("repository_missing", { url: given }, { cause });
  }
  throw new WharfError("repository_missing", { url: given });
}

function networkRemote(given: string): Remote {
  const url = URL.parse(given);
  if (!url || url.hostname === "" || url.hostname.startsWith("-") || url.username.startsWith("-"))
    throw refused("is not a valid address");
  const normalised = url.href.replace(/\/+$/, "");
  const shown = new URL(url);
  shown.password = "";
  return {
    id: idOf(normalised),
    address: normalised,
    shown: shown.href.replace(/\/+$/, ""),
    local: false,
    host: url.host.toLowerCase(),
    ...secretOf(url),
  };
}

const readScpHost = (given: string): string => given.slice(given.indexOf("@") + 1, given.indexOf(":")).toLowerCase();

function secretOf(url: URL): { secret?: string } {
  return url.password === "" ? {} : { secret: url.password };
}

const branchName = /^(?!.*(?:\.\.|\/\/|\.lock(?:\/|$)|\/\.|\.\/))[A-Za-z0-9_][A-Za-z0-9._/-]*[A-Za-z0-9_-]$/;

/** The names Wharf gives to tasks' branches, narrower than what git allows. */
export const isShadowBranch = (branch: string): boolean =>
  branch.startsWith("shadow/") && branch.length <= 200 && branchName.test(branch);

/** Takes a password out of what git says. */
export const withoutSecret = (text: string, remote: Remote): string =>
  remote.secret === undefined
    ? text
    : text.replaceAll(remote.secret, "***").replaceAll(decodeURIComponent(remote.secret), "***");
