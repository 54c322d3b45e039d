import { WharfError } from "@wharf/contract";
import type { Database, Executor } from "../../store/index.ts";
import type { LoginLimits } from "../limits/login-limits.ts";
import { type Links, requireInvitation } from "../links/links.ts";
import { hasOldCost } from "../passwords/password-hash.ts";
import { requireSuitablePassword } from "../passwords/password-rules.ts";
import type { Passwords } from "../passwords/passwords.ts";
import type { LoginSource, Sessions } from "../sessions/sessions.ts";
import {
  type AccountRow,
  addMember,
  createAccount,
  findAccount,
  findInvitedAccount,
  getAccount,
  isAbandoned,
  type JoinedOrganization,
  setPasswordHash,
} from "./accounts.ts";
import { type LoggedIn, type LoginRequest, startSession, type StartedSession } from "./start-session.ts";

export interface LoginsOptions {
  readonly db: Database;
  readonly sessions: Sessions;
  readonly links: Links;
  readonly limits: LoginLimits;
  readonly passwords: Passwords;
}

/** The ways in which a person proves an account, each of which starts a new session. */
export class Logins {
  readonly #options: LoginsOptions;

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  /** Logs in with a password. The answer and its time do not show whether the account exists. */
  async logInWithPassword<S extends StartedSession>(
    { email, password }: { readonly email: string; readonly password: string },
    request: LoginRequest<S>,
  ): Promise<LoggedIn<S>> {
    const { db } = this.#options;
    const account = await this.#provePassword(await findAccount(db, email), { email, password }, request.source);
    return db.transaction((tx) => startSession(tx, { account, method: "password", request }));
  }

  async logInWithLink<S extends StartedSession>(secret: string, request: LoginRequest<S>): Promise<LoggedIn<S>> {
    const { db, links } = this.#options;
    return db.transaction(async (tx) => {
      const { user_id } = await links.use(tx, secret, ["login"]);
      const account = await getAccount(tx, user_id ?? "");
      return startSession(tx, { account, method: "link", request });
    });
  }

  /** Sets a password with a link. All earlier logins of the account end. */
  async resetPassword<S extends StartedSession>(
    { secret, password }: { readonly secret: string; readonly password: string },
    request: LoginRequest<S>,
  ): Promise<LoggedIn<S>> {
    const { db, links, passwords, sessions } = this.#options;
    const link = await links.find(secret, ["password"]);
    const account = await getAccount(db, link.user_id ?? "");
    requireSuitablePassword(password, [account.email, account.username]);
    const hash = await passwords.hash(password);
    const replacePassword = async (tx: Executor) => {
      await links.use(tx, secret, ["password"]);
      await setPasswordHash(tx, account.id, hash);
      await links.revokeAll(tx, account.id);
    };
    await sessions.endAll(account.id, { also: replacePassword });
    return db.transaction((tx) => startSession(tx, { account, method: "link", request }));
  }

  /**
   * Joins an organisation. A person without an account creates one; an account that exists must be
   * proved, because a link may reach others.
   */
  async acceptInvitation<S extends StartedSession>(
    { secret, username, password }: { secret: string; username?: string | undefined; password: string },
    request: LoginRequest<S>,
  ): Promise<LoggedIn<S>> {
    const { db, links, passwords } = this.#options;
    const invitation = requireInvitation(await links.find(secret, ["invitation"]));
    const { email, organization_id, role } = invitation;
    const existing = await findInvitedAccount(db, email);
    const isProved = existing !== undefined && !(await isAbandoned(db, existing));
    if (isProved) await this.#provePassword(existing, { email, password }, request.source);
    else requireSuitablePassword(password, [email, existing?.username ?? username ?? ""]);
    const hash = isProved ? null : await passwords.hash(password);
    return db.transaction(async (tx) => {
      await links.use(tx, secret, ["invitation"]);
      const account = existing ?? (await createAccount(tx, { email, username, password_hash: hash }));
      if (existing && hash !== null) await setPasswordHash(tx, existing.id, hash);
      await addMember(tx, { organization_id, user_id: account.id, role });
      return startSession(tx, { account, method: "invitation", request });
    });
  }

  /** Joins an organisation as a person who is logged in, to whose address the invitation is. */
  async joinOrganization(userId: string, secret: string): Promise<JoinedOrganization> {
    const { db, links } = this.#options;
    return db.transaction(async (tx) => {
      const { email, organization_id, role } = requireInvitation(await links.use(tx, secret, ["invitation"]));
      const account = await getAccount(tx, userId);
      if (account.email !== email) throw new WharfError("invitation_for_other_account", { email });
      return addMember(tx, { organization_id, user_id: userId, role });
    });
  }

  /** Replaces a program's refresh token. */
  async refresh(token: string): Promise<LoggedIn<StartedSession & { readonly refresh_token: string }>> {
    const refreshed = await this.#options.sessions.refresh(token);
    return { ...refreshed, account: await getAccount(this.#options.db, refreshed.session.user_id) };
  }

  /** Changes a person's own password, and ends their other sessions. */
  async changePassword(
    userId: string,
    change: { current: string | undefined; next: string; sessionId: string | undefined; source: LoginSource },
  ): Promise<void> {
    const { db, links, passwords, sessions } = this.#options;
    const account = await getAccount(db, userId);
    const { email, username } = account;
    if (account.password_hash !== null)
      await this.#provePassword(account, { email, password: change.current ?? "" }, change.source);
    requireSuitablePassword(change.next, [email, username]);
    const hash = await passwords.hash(change.next);
    const replacePassword = async (tx: Executor) => {
      await setPasswordHash(tx, userId, hash);
      await links.revokeAll(tx, userId);
    };
    await sessions.endAll(userId, { exceptId: change.sessionId, also: replacePassword });
  }

  async #provePassword(
    account: AccountRow | undefined,
    { email, password }: { readonly email: string; readonly password: string },
    { address }: LoginSource,
  ): Promise<AccountRow> {
    const { db, limits, passwords } = this.#options;
    const attempt = { account: email, address };
    await limits.begin(attempt);
    const isMatch = await passwords.matches(password, account?.password_hash);
    if (!account || !isMatch) throw new WharfError("login_failed", {});
    await limits.succeed(attempt);
    if (account.password_hash !== null && hasOldCost(account.password_hash))
      await setPasswordHash(db, account.id, await passwords.hash(password));
    return account;
  }
}
