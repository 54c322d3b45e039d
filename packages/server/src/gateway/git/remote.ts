import { realpath, stat } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { getHash } from "../../std/hash.ts";
import { type AddressPolicy, isInside, requireAllowedAddress, requireAllowedPath } from "./address-policy.ts";
import { createAddressError, type Endpoint, parseAddress } from "./address.ts";

export interface Remote {
  /** The name of its mirror; each organisation has its own. */
  readonly id: string;
  /** The address that git gets. */
  readonly address: string;
  /** The address as the person wrote it. */
  readonly shown: string;
  readonly local: boolean;
  /** Name and port of the server; missing for a path of this machine. */
  readonly host?: string;
  /** Missing for a path of this machine. */
  readonly endpoint?: Endpoint;
  /** The organisation of the task. */
  readonly organizationId: string;
}

export interface RemoteOptions {
  readonly policy: AddressPolicy;
  readonly organizationId: string;
}

/**
 * Refuses a local repository inside a folder of Wharf's own, following links: Wharf's mirrors hold
 * every task's work.
 */
export async function refuseRemoteInside(folder: string, remote: Remote): Promise<void> {
  if (remote.local && isInside(await realpath(folder), remote.address))
    throw createAddressError("is in Wharf's own data folder; use the repository that it was created from");
}

/** Parses the URL of a repository, and throws if it is not an address or the policy refuses it. */
export async function parseRemote(url: string, { policy, organizationId }: RemoteOptions): Promise<Remote> {
  const address = parseAddress(url);
  requireAllowedAddress(address, policy);
  const getRemoteId = (normalised: string) => getHash(`${organizationId} ${normalised}`).slice(0, 20);
  if (address.kind === "local") {
    const real = await findFolder(address.text, address.path);
    await requireAllowedPath(address.text, real, policy);
    return { id: getRemoteId(real), address: real, shown: address.text, local: true, organizationId };
  }
  const { text, endpoint } = address;
  const { name, port } = endpoint;
  return {
    id: getRemoteId(text),
    address: text,
    shown: text,
    local: false,
    host: port === undefined ? name : `${name}:${port}`,
    endpoint,
    organizationId,
  };
}

async function findFolder(text: string, path: string): Promise<string> {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return real;
  } catch (cause) {
    throw new WharfError("repository_missing", { url: text }, { cause });
  }
  throw new WharfError("repository_missing", { url: text });
}

const branchName = /^(?!.*(?:\.\.|\/\/|\.lock(?:\/|$)|\/\.|\.\/))[A-Za-z0-9_][A-Za-z0-9._/-]*[A-Za-z0-9_-]$/;

/** Checks the names that Wharf gives to tasks' branches, which are narrower than git's rules. */
export const isShadowBranch = (branch: string): boolean =>
  branch.startsWith("shadow/") && branch.length <= 200 && branchName.test(branch);
