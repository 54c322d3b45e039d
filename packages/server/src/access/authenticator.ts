import { WharfError } from "@wharf/contract";
import { isSameToken, type Owner } from "./access.ts";
import type { Caller } from "./scope.ts";

/** What a request says about its sender. */
export interface Credentials {
  /** The header `Authorization`. */
  readonly authorization?: string | undefined;
}

export interface AuthenticatorOptions {
  /** The token in the data folder. */
  readonly ownerToken: string;
  readonly owner: Owner;
}

/** Finds out who sends a request. Each kind of credential has a file in this folder. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  async authenticate({ authorization = "" }: Credentials): Promise<Caller> {
    const token = /^Bearer (\S+)$/i.exec(authorization)?.[1];
    const { ownerToken, owner } = this.#options;
    if (token === undefined || !isSameToken(token, ownerToken)) throw new WharfError("unauthenticated", {});
    const { user_id, organization_id } = owner;
    return { user_id, organization_id, role: "admin", is_operator: true };
  }
}
