import { WharfError } from "@wharf/contract";
import { toError } from "../../std/errors.ts";
import { readSecret } from "../secret-source.ts";
import type { RegistryEntry } from "./registry-entry.ts";
import type { Registry } from "./registry.ts";

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
    let current: { readonly authorization: Promise<string>; readonly readAt: number } | undefined;
    const getAuthorization = (): Promise<string> => {
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

async function readAuthorization(entry: RegistryEntry, { environment, onToken }: RegistryOptions): Promise<string> {
  const token = await readSecret(entry.token, environment).catch((cause: unknown) => {
    const reason = toError(cause).message.slice(0, 300);
    throw new WharfError("registry_token_unusable", { registry: entry.name, reason }, { cause });
  });
  onToken(`token of the registry ${entry.name}`, token);
  if (entry.username === undefined) return `Bearer ${token}`;
  return `Basic ${Buffer.from(`${entry.username}:${token}`).toString("base64")}`;
}
