import { organizationHeader, WharfError } from "@wharf/contract";
import type { Database } from "../store/index.ts";
import type { Owner } from "./access.ts";
import { findFirstCaller, findMemberCaller, findTokenCaller, recordTokenUse, type TokenKey } from "./caller-queries.ts";
import { hashAccessToken, isAccessToken } from "./credentials/access-token.ts";
import { isSameToken } from "./credentials/owner-token.ts";
import type { Caller } from "./scope.ts";
import type { SessionCredentials } from "./sessions/session-credentials.ts";
import type { SessionRow } from "./sessions/sessions.ts";
import type { SenderProof, StreamTickets } from "./tickets/stream-tickets.ts";

/** What a request says about its sender. */
export interface Credentials {
  readonly authorization?: string | undefined;
  /** The cookie of a browser's session. */
  readonly sessionCookie?: string | undefined;
  /** What proved the sender of a stream at its beginning. */
  readonly proof?: SenderProof;
  /** Opens one stream, in place of all other credentials. */
  readonly ticket?: string | undefined;
  /** An organisation of the sender, by id or slug. */
  readonly [organizationHeader]?: string | string[] | undefined;
  /** The organisation that the person chose in the browser. It does not count after they left. */
  readonly organizationCookie?: string | undefined;
}

export interface AuthenticatorOptions {
  readonly db: Database;
  /** The token in the data folder. */
  readonly ownerToken: string;
  readonly owner: Owner;
  /** Absent if people cannot log in. */
  readonly sessionCredentials?: SessionCredentials;
  readonly streamTickets: Pick<StreamTickets, "use">;
}

/**
 * Finds out who sends a request. Each kind of credential has a file in `credentials/`:
 *
 * - The owner's token proves the owner, who is an admin of their own organisation, also while the
 *   database is unavailable.
 * - An access token proves its user in its organisation, until it expires, is revoked, or the user
 *   leaves the organisation.
 * - The cookie of a browser and the token of a program's session (`sessions/`) prove the person who
 *   logged in, until the session ends.
 * - A ticket (`tickets/`) proves once what its sender proved with one of these.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** The header comes first: a browser sends its cookie with every request. */
  async authenticate(credentials: Credentials): Promise<Caller> {
    const { authorization = "", proof, ticket, [organizationHeader]: header } = credentials;
    if (ticket !== undefined) return this.#authenticateTicket(ticket);
    const token = /^Bearer (\S+)$/i.exec(authorization)?.[1] ?? "";
    const organization = header === undefined ? undefined : String(header);
    if (proof !== undefined) return this.#authenticateProof(proof, organization);
    if (isAccessToken(token)) return this.#authenticateToken({ hash: hashAccessToken(token) }, organization);
    const { ownerToken, sessionCredentials } = this.#options;
    if (token !== "" && isSameToken(token, ownerToken)) return this.#getOwner(organization);
    const session = await sessionCredentials?.find({
      sessionCookie: credentials.sessionCookie,
      ...(authorization !== "" && { token }),
    });
    if (!session) throw new WharfError("unauthenticated", {});
    if (organization === undefined && credentials.organizationCookie !== undefined)
      return this.#getBrowserCaller(session, credentials.organizationCookie);
    return this.#getSessionCaller(session, organization);
  }

  async #getBrowserCaller(session: SessionRow, organization: string): Promise<Caller> {
    const { user_id, id, kind } = session;
    const member = await findMemberCaller(this.#options.db, { user_id, organization });
    return member ? { ...member, session: { id, kind } } : this.#getSessionCaller(session, undefined);
  }

  /** Without an organisation in the request, the person acts in the first one that they joined. */
  async #getSessionCaller(session: SessionRow, organization: string | undefined): Promise<Caller> {
    const { user_id, id, kind } = session;
    const { db } = this.#options;
    const member =
      organization === undefined
        ? await findFirstCaller(db, user_id)
        : await findMemberCaller(db, { user_id, organization });
    if (member) return { ...member, session: { id, kind } };
    throw organization === undefined
      ? new WharfError("login_ended", {})
      : new WharfError("organization_not_found", { name: organization });
  }

  async #authenticateTicket(ticket: string): Promise<Caller> {
    const { proof, organization_id } = await this.#options.streamTickets.use(ticket);
    return this.#authenticateProof(proof, organization_id);
  }

  async #authenticateProof(proof: SenderProof, organization: string | undefined): Promise<Caller> {
    if (proof === "owner") return this.#getOwner(organization);
    if ("token_id" in proof) return this.#authenticateToken({ id: proof.token_id }, organization);
    const session = await this.#options.sessionCredentials?.find({ sessionId: proof.session_id });
    if (!session) throw new WharfError("unauthenticated", {});
    return this.#getSessionCaller(session, organization);
  }

  async #authenticateToken(key: TokenKey, organization: string | undefined): Promise<Caller> {
    const { db } = this.#options;
    const found = await findTokenCaller(db, key);
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
    const { user_id, username, organization_id } = owner;
    if (organization === undefined) return { user_id, username, organization_id, role: "admin", is_operator: true };
    const named = await findMemberCaller(db, { user_id, organization });
    if (!named) throw new WharfError("organization_not_found", { name: organization });
    return named;
  }
}
