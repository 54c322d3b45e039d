import { posix } from "node:path";
import { z } from "zod";
import { absolutePath, CommandLine, SecretEntry, VariableNames } from "../../secrets/index.ts";
import { getPort } from "../address-policy.ts";
import type { Endpoint } from "../address.ts";

const GithubApp = z.strictObject({
  app_id: z.union([z.number().int().positive(), z.string().min(1)]),
  /** Found by the repository if it is missing. */
  installation_id: z.number().int().positive().optional(),
  private_key_file: absolutePath,
  api: z.url({ protocol: /^https?$/ }).default("https://api.github.com"),
});
export type GithubApp = z.infer<typeof GithubApp>;

const kinds = ["token", "github_app", "command", "ssh"] as const;

const Entry = z
  .strictObject({
    host: z
      .string()
      .toLowerCase()
      .regex(
        /^[a-z0-9._-]+(:\d{1,5})?$|^\[[0-9a-f:]+\](:\d{1,5})?$/,
        "a host such as github.com or git.example.com:8443",
      ),
    /** The beginning of the repository's path, in whole folders. */
    path: z.string().optional(),
    /** The id of the only organisation that may use the entry. */
    organization: z.uuid().optional(),
    token: SecretEntry.optional(),
    /** The user name beside a token. */
    username: z
      .string()
      .min(1)
      .regex(/^[^\p{Cc}]+$/u, "a name without line breaks")
      .optional(),
    github_app: GithubApp.optional(),
    /** A program that answers with git's credential protocol. */
    command: CommandLine.optional(),
    environment: VariableNames.optional(),
    /** Without a key, ssh's agent signs. */
    ssh: z.strictObject({ key_file: absolutePath.optional(), known_hosts_file: absolutePath }).optional(),
  })
  .refine((entry) => kinds.filter((kind) => entry[kind] !== undefined).length === 1, {
    message: `one of ${kinds.join(", ")} is required`,
  })
  .refine((entry) => entry.username === undefined || entry.token !== undefined, {
    message: "a username belongs to a token",
  })
  .refine((entry) => entry.environment === undefined || entry.command !== undefined, {
    message: "environment belongs to a command",
  });
export type CredentialEntry = z.infer<typeof Entry>;

export const CredentialEntries = z.strictObject({ credentials: z.array(Entry).max(1_000) });

/** The use for which an entry is searched. */
export interface CredentialUse {
  readonly endpoint: Endpoint;
  /** The path of the repository at its host. */
  readonly path: string;
  readonly organizationId: string;
}

/** Names an entry for people, without anything secret. */
export function describeEntry(entry: CredentialEntry): string {
  const kind = kinds.find((one) => entry[one] !== undefined) ?? "";
  const path = entry.path === undefined ? "" : normalisePath(entry.path);
  return `${entry.host}${path} (${kind})`;
}

/** Returns the entry for a repository: of several, the one with the longest path. */
export function selectEntry(entries: readonly CredentialEntry[], use: CredentialUse): CredentialEntry | undefined {
  const matching = entries.filter((entry) => matchesEntry(entry, use));
  const getRank = ({ path = "", organization }: CredentialEntry) =>
    2 * normalisePath(path).length + (organization === undefined ? 0 : 1);
  return matching.toSorted((a, b) => getRank(b) - getRank(a))[0];
}

function matchesEntry(entry: CredentialEntry, { endpoint, path, organizationId }: CredentialUse): boolean {
  if (entry.organization !== undefined && entry.organization !== organizationId) return false;
  if ((entry.ssh !== undefined) !== (endpoint.protocol === "ssh")) return false;
  const [, name, port] = /^(.*?)(?::(\d+))?$/.exec(entry.host.replace(/^\[(.*)\]/, "$1")) ?? [];
  const host = endpoint.name.includes(":") ? entry.host.replace(/^\[(.*?)\].*$/, "$1") : name;
  if (host !== endpoint.name) return false;
  if (port !== undefined && !endpoint.name.includes(":") && Number(port) !== getPort(endpoint)) return false;
  return `${foldPath(path)}/`.startsWith(`${foldPath(entry.path ?? "")}/`);
}

/** A path such as `/team/repository`: no `..` leads from one team's folder to another's. */
const normalisePath = (path: string): string =>
  posix
    .normalize(`/${path}`)
    .replace(/\/+$/, "")
    .replace(/\.git$/, "");

/**
 * Most hosts find a repository by its path in any case, and all of them with escaped letters. None
 * of these may lead past the entry that is meant for it.
 */
function foldPath(path: string): string {
  try {
    return normalisePath(decodeURIComponent(path).toLowerCase());
  } catch {
    return normalisePath(path.toLowerCase());
  }
}
