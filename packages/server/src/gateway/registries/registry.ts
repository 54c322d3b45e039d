import type { RunnerRegistry } from "@wharf/contract";
import type { Secret } from "../secrets/index.ts";

/** A registry that needs a credential, which the gateway adds outside the runner. */
export interface Registry extends RunnerRegistry {
  /** The registry's address, which ends with a slash. */
  readonly url: string;
  readonly token: Secret;
  /** With it, the token is sent as a password. */
  readonly username: string | undefined;
}

/** Returns the header `authorization` with a token of the registry. */
export const createAuthorization = ({ username }: Registry, token: string): string =>
  username === undefined ? `Bearer ${token}` : `Basic ${Buffer.from(`${username}:${token}`).toString("base64")}`;
