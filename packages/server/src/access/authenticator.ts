import { organizationHeader, WharfError } from "@wharf/contract";
import type { Database } from "../store/index.ts";
import type { Owner } from "./access.ts";
import { findMemberCaller, findTokenCaller, recordTokenUse } from "./caller-queries.ts";
import { hashAccessToken, isAccessToken } from "./credentials/access-token.ts";
import { isSameToken } from "./credentials/owner-token.ts";
import type { Caller } from "./scope.ts";

/** The headers of a request that prove its sender. */
export interface Credentials {
  readonly authorization?: string | undefined;
  /** An organisation of the sender, by id or slug. */
  readonly [organizationHeader]?: string | string[] | undefined;
}

export interface AuthenticatorOptions {
  readonly db: Database;
  /** The token in the data folder. */
  readonly ownerToken: string;
  readonly owner: Owner;
}

/**
 * Finds out who sends a request. Each kind of credential has a file in `credentials/`:
 *
 * - The owner's token proves the owner, who is an admin of their own organisation, also while the
 *   database is unavailable.
 * - An access token proves its user in its organisation, until it expires, is revoked, or the user
 *   leaves the organisation.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  async authenticate({ authorization = "", [organizationHeader]: header }: Credentials): Promise<Caller> {
    const token = /^Bearer (\S+)$/i.exec(authorization)?.[1] ?? "";
    const organization = header === undefined ? undefined : String(header);
    if (isAccessToken(token)) return this.#authenticateToken(token, organization);
    const { ownerToken } = this.#options;
    if (token === "" || !isSameToken(token, ownerToken)) throw new WharfError("unauthenticated", {});
    return this.#getOwner(organization);
  }

  async #authenticateToken(token: string, organization: string | undefined): Promise<Caller> {
    const { db } = this.#options;
    const found = await findTokenCaller(db, hashAccessToken(token));
    if (!found) throw new WharfError("unauthenticated", {});
    const { caller } = found;
    if (organization !== undefined) {
      const named = await findMemberCaller(db, { user_id: caller.user_id, organization });
      if (named?.organization_id !== caller.organization_id)
        throw new WharfError("organization_not_found", { name: organization });
    }
    if (found.isUseStale) await recordTokenUse(db, found.token_id);
    return { ...caller, token_id: found.token_id };
  }

  async #getOwner(organization: string | undefined): Promise<Caller> {
    const { db, owner } = this.#options;
    const { user_id, organization_id } = owner;
    if (organization === undefined) return { user_id, organization_id, role: "admin", is_operator: true };
    const named = await findMemberCaller(db, { user_id, organization });
    if (!named) throw new WharfError("organization_not_found", { name: organization });
    return named;
  }
}
