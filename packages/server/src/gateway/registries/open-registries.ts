import { WharfError } from "@wharf/contract";
import { type OnSecret, parsePassword, parseToken, Secret, toSecretPlace } from "../secrets/index.ts";
import type { RegistryEntry } from "./registry-entry.ts";
import type { Registry } from "./registry.ts";

export interface RegistryOptions {
  /** The server's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called with each new token. */
  readonly onToken: OnSecret;
}

/** Returns the registries of the file; their tokens are read when they are needed. */
export const openRegistries = (
  entries: readonly RegistryEntry[],
  { environment, onToken }: RegistryOptions,
): Registry[] =>
  entries.map(({ name, kind, url, username, token }) => ({
    name,
    kind,
    url,
    username,
    token: new Secret(toSecretPlace(token, environment), {
      name: `token of the registry ${name}`,
      createError: (error) =>
        new WharfError("registry_token_unusable", { registry: name, reason: error.message }, { cause: error }),
      onValue: onToken,
      parse: username === undefined ? parseToken : parsePassword,
    }),
  }));
