import { WharfError } from "@wharf/contract";
import {
  createSecretSource,
  type OnSecret,
  parsePassword,
  parseToken,
  reportSecret,
  Secret,
  type SecretReport,
  toSecretPlace,
} from "../secrets/index.ts";
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
      parse: getParser(username),
    }),
  }));

const getParser = (username: string | undefined) => (username === undefined ? parseToken : parsePassword);

/** Checks whether the token of each registry can be read, without contacting a registry. */
export const checkRegistries = (
  entries: readonly RegistryEntry[],
  environment: RegistryOptions["environment"],
): Promise<SecretReport[]> =>
  Promise.all(
    entries.map(({ name, url, username, token }) => {
      const source = createSecretSource(toSecretPlace(token, environment), getParser(username));
      return reportSecret(`${name} (${url})`, token, source.get());
    }),
  );
