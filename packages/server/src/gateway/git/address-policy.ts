import { realpath } from "node:fs/promises";
import { isIP } from "node:net";
import { isAbsolute, relative, resolve } from "node:path";
import { WharfError } from "@wharf/contract";
import { waitUnlessAborted } from "../../std/abort.ts";
import { type FindAddresses, type HostAddress, isLoopback, selectAddresses } from "../hosts/addresses.ts";
import type { Address, Endpoint } from "./address.ts";

/** An entry of `WHARF_GIT_HOSTS`. */
export interface GitHostRule {
  /** A name, `*.` and a domain, an IP address, or `*` for every host. */
  readonly pattern: string;
  /** Every port if it is missing. */
  readonly port?: number;
  /** Whether the hosts may have addresses of a private network. */
  readonly allowsPrivate: boolean;
  /** Whether the hosts may be this machine. */
  readonly allowsLoopback: boolean;
  /** Whether the hosts may be reached without encryption. */
  readonly allowsHttp: boolean;
}

/** The repositories that tasks may name, and to which the server connects. */
export interface AddressPolicy {
  readonly hosts: readonly GitHostRule[];
  /** Folders of this machine that may contain repositories. */
  readonly localFolders: readonly string[];
}

/** The networks in which a host may be. */
export type HostPermission = Pick<GitHostRule, "allowsPrivate" | "allowsLoopback">;

export const createRefusal = (url: string, reason: string): WharfError =>
  new WharfError("repository_refused", { url, reason });

/** Throws if the policy refuses the address; no name is resolved yet. */
export function requireAllowedAddress(address: Address, policy: AddressPolicy): void {
  if (address.kind === "network") {
    const { text, endpoint } = address;
    const permission = findPermission(text, endpoint, policy);
    const family = isIP(endpoint.name);
    if (family !== 0)
      requireAllowedAddresses(text, [{ address: endpoint.name, family: family === 6 ? 6 : 4 }], permission);
  } else if (!policy.localFolders.some((folder) => isInside(folder, resolve(address.path))))
    throw createRefusal(address.text, "it is a path of the server's machine outside of the allowed folders");
}

/** Throws if the path leads out of the allowed folders, following links. */
export async function requireAllowedPath(text: string, path: string, policy: AddressPolicy): Promise<void> {
  for (const folder of policy.localFolders) {
    const real = await realpath(folder).catch(() => undefined);
    if (real !== undefined && isInside(real, path)) return;
  }
  throw createRefusal(text, "it is a path of the server's machine outside of the allowed folders");
}

export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith("../") && !isAbsolute(way);
}

/** Returns the networks in which the host may be, or throws if the policy refuses the host. */
export function findPermission(text: string, endpoint: Endpoint, policy: AddressPolicy): HostPermission {
  const rules = policy.hosts.filter((rule) => matchesRule(rule, endpoint));
  if (rules.length === 0) throw createRefusal(text, `the server's list of git hosts does not contain ${endpoint.name}`);
  if (endpoint.protocol === "http" && !rules.some(({ allowsHttp }) => allowsHttp))
    throw createRefusal(text, "http sends code and logins without encryption; use https");
  return {
    allowsPrivate: rules.some(({ allowsPrivate }) => allowsPrivate),
    allowsLoopback: rules.some(({ allowsLoopback }) => allowsLoopback),
  };
}

const defaultPorts = { https: 443, http: 80, ssh: 22 };

export const getPort = ({ protocol, port }: Pick<Endpoint, "protocol" | "port">): number =>
  port ?? defaultPorts[protocol];

function matchesRule({ pattern, port }: GitHostRule, endpoint: Endpoint): boolean {
  if (port !== undefined && port !== getPort(endpoint)) return false;
  const name = endpoint.name.replace(/\.$/, "");
  if (pattern === "*" || pattern === name) return true;
  return pattern.startsWith("*.") && name.endsWith(pattern.slice(1));
}

const lookupTimeoutMs = 10_000;

export interface Lookup {
  readonly url: string;
  readonly findAddresses: FindAddresses;
  readonly signal?: AbortSignal | undefined;
}

/** Resolves the name of a remote's host. */
export async function resolveHost(
  name: string,
  { url, findAddresses, signal }: Lookup,
): Promise<readonly HostAddress[]> {
  const timeout = AbortSignal.timeout(lookupTimeoutMs);
  try {
    return await waitUnlessAborted(findAddresses(name), signal ? AbortSignal.any([timeout, signal]) : timeout);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new WharfError("repository_unreachable", { url, reason: `the name ${name} cannot be resolved` }, { cause });
  }
}

/** Returns the addresses to which git may connect, or throws if there are none. */
export function requireAllowedAddresses(
  text: string,
  found: readonly HostAddress[],
  { allowsPrivate, allowsLoopback }: HostPermission,
): readonly HostAddress[] {
  const [first] = found;
  if (first === undefined) throw new WharfError("repository_unreachable", { url: text, reason: "it has no address" });
  const allowed = found.filter(
    (one) => selectAddresses([one], allowsPrivate).length > 0 || (allowsLoopback && isLoopback(one.address)),
  );
  if (allowed.length > 0) return allowed;
  throw createRefusal(text, `its host has the address ${first.address}, ${describeNetwork(first)}`);
}

function describeNetwork(address: HostAddress): string {
  if (selectAddresses([address], true).length > 0) return "which is in a private network";
  return isLoopback(address.address) ? "which is this machine" : "to which Wharf never connects";
}
