import { WharfError } from "@wharf/contract";
import { SecretMatcher } from "../../redaction/index.ts";
import { toError } from "../../std/errors.ts";
import { readSecret } from "../secret-source.ts";
import type { RegistryEntry } from "./registry-entry.ts";
import type { Authorization, Registry } from "./registry.ts";

export interface RegistryOptions {
  /** The server's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called with each token that is read. */
  readonly onToken: (name: string, token: string) => void;
}

/** How long a token is used before it is read again. */
const rereadMs = 60_000;

/** Returns the registries of the file; their tokens are read when they are needed. */
export const openRegistries = (entries: readonly RegistryEntry[], options: RegistryOptions): Registry[] =>
  entries.map((entry) => {
    let current: { readonly authorization: Promise<Authorization>; readonly readAt: number } | undefined;
    const getAuthorization = (): Promise<Authorization> => {
      if (current && performance.now() - current.readAt < rereadMs) return current.authorization;
      const read = { authorization: readAuthorization(entry, options), readAt: performance.now() };
      current = read;
      read.authorization.catch(() => {
        if (current === read) current = undefined;
      });
      return read.authorization;
    };
    return { name: entry.name, kind: entry.kind, url: entry.url, getAuthorization };
  });

async function readAuthorization(
  entry: RegistryEntry,
  { environment, onToken }: RegistryOptions,
): Promise<Authorization> {
  const { name, username } = entry;
  const token = await readSecret(entry.token, environment).catch((cause: unknown) => {
    throw new WharfError("registry_token_unusable", { registry: name, reason: toError(cause).message }, { cause });
  });
  onToken(`token of the registry ${name}`, token);
  const login = username === undefined ? undefined : Buffer.from(`${username}:${token}`).toString("base64");
  return {
    value: login === undefined ? `Bearer ${token}` : `Basic ${login}`,
    matcher: new SecretMatcher([{ name, value: token }]),
  };
}
