import { isIP } from "node:net";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { WharfError } from "@wharf/contract";

/** The program at a git host that an address leads to. */
export interface Endpoint {
  readonly protocol: "https" | "http" | "ssh";
  /** A name, or an IP address without brackets; in lower case. */
  readonly name: string;
  /** Missing if the address names none: for ssh, the configuration of ssh may name another port. */
  readonly port: number | undefined;
  /** The user of an ssh address. */
  readonly user: string | undefined;
}

/** A repository's address, parsed but not checked by the policy. */
export type Address =
  | { readonly kind: "local"; readonly text: string; readonly path: string }
  | { readonly kind: "network"; readonly text: string; readonly endpoint: Endpoint; readonly path: string };

const maxUrlLength = 2048;
const scpLike = /^(?:([A-Za-z0-9][\w.+-]*)@)?([A-Za-z0-9][\w.-]*):(?!:)([^-].*)$/;
const hostName = /^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?$/;
const userName = /^[A-Za-z0-9_][\w.+~-]*$/;

export const createAddressError = (message: string, cause?: unknown): WharfError =>
  new WharfError("bad_request", { issues: [{ path: "repository_url", message }] }, { cause });

/**
 * Parses the URL of a repository. Accepts only transports that do not run a program of the URL's
 * choice, and nothing that git or ssh could read as an option.
 */
export function parseAddress(url: string): Address {
  const text = url.trim();
  // eslint-disable-next-line no-control-regex
  if (text === "" || text.length > maxUrlLength || /[\u0000-\u001f\u007f]/.test(text))
    throw createAddressError("is not an address of a repository");
  if (text.startsWith("-")) throw createAddressError("must not begin with '-'");
  if (isAbsolute(text)) return { kind: "local", text, path: text };
  if (/^file:\/\//i.test(text)) return { kind: "local", text, path: parseFilePath(text) };
  if (/^(https?|ssh):\/\//i.test(text)) return parseNetworkAddress(text);
  if (!text.includes("://")) {
    const [, user, name, path] = scpLike.exec(text) ?? [];
    if (name !== undefined && path !== undefined) return parseScpAddress(text, { user, name, path });
  }
  throw createAddressError("must be an https, http, ssh or file address, user@host:path, or an absolute path");
}

function parseFilePath(text: string): string {
  try {
    return fileURLToPath(text);
  } catch (cause) {
    throw createAddressError("is not a valid file address", cause);
  }
}

/** A login in an address would end up in the database, in logs and in the arguments of git. */
const createLoginError = () =>
  createAddressError("must not contain a login: name it in the file of WHARF_GIT_CREDENTIALS on the server");

function parseNetworkAddress(text: string): Address {
  const url = URL.parse(text);
  const protocol = url?.protocol.slice(0, -1);
  if (!url || (protocol !== "https" && protocol !== "http" && protocol !== "ssh"))
    throw createAddressError("is not a valid address");
  if (url.password !== "" || (protocol !== "ssh" && url.username !== "")) throw createLoginError();
  const name = url.hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  const user = url.username === "" ? undefined : url.username;
  if (!isHost(name) || (user !== undefined && !userName.test(user))) throw createAddressError("is not a valid address");
  const port = url.port === "" ? undefined : Number(url.port);
  return {
    kind: "network",
    text: url.href.replace(/\/+$/, ""),
    endpoint: { protocol, name, port, user },
    path: url.pathname,
  };
}

function parseScpAddress(
  text: string,
  { user, name, path }: { user: string | undefined; name: string; path: string },
): Address {
  // In `user:password@host:path`, git would take the user for the host.
  if (/^[^/]*@/.test(path)) throw createLoginError();
  const host = name.toLowerCase();
  if (!isHost(host)) throw createAddressError("is not a valid address");
  return {
    kind: "network",
    text: text.replace(/\/+$/, ""),
    endpoint: { protocol: "ssh", name: host, port: undefined, user },
    path: path.startsWith("/") ? path : `/${path}`,
  };
}

const isHost = (name: string): boolean => isIP(name) !== 0 || (name.length <= 254 && hostName.test(name));
