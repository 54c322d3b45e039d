import { WharfError } from "@wharf/contract";
import { z } from "zod";
import type { Database } from "../../store/index.ts";
import type { ChallengeRow, Challenges } from "../challenges/challenges.ts";
import type { LoginLimits } from "../limits/login-limits.ts";
import type { Links } from "../links/links.ts";
import { addMember, createAccount, findAccount, findInvitedAccount, getActiveAccount } from "../logins/accounts.ts";
import { type LoggedIn, type LoginRequest, startSession, type StartedSession } from "../logins/start-session.ts";
import type { Identities } from "./identities.ts";
import type { OidcAttempts } from "./oidc-attempts.ts";
import type { OidcIdentity, OidcProvider } from "./oidc-provider.ts";
import { type OidcRules, requireAllowedPerson } from "./oidc-rules.ts";

export interface OidcLoginsOptions {
  readonly db: Database;
  readonly challenges: Challenges;
  readonly links: Links;
  readonly limits: LoginLimits;
  readonly identities: Identities;
  readonly attempts: OidcAttempts;
  readonly provider: OidcProvider;
  readonly rules: OidcRules;
  /** The organisation of people who come without an invitation. */
  readonly home_id: string;
}

/** What a person has to agree to before a login with a provider counts. */
export interface OidcConsent {
  /** Identifies the agreement for `confirm`. */
  readonly secret: string;
  readonly email: string;
  /** The account that the person will log in to with the provider from now on. */
  readonly username?: string;
  /** The role of the invitation that the person accepts. */
  readonly role?: string;
}

/** A request of a browser, in which a person may be logged in already. */
type OidcRequest<S> = LoginRequest<S> & { readonly userId: string | undefined };

type OidcOutcome<S> = { readonly login: LoggedIn<S> } | { readonly consent: OidcConsent };

/** What the challenge of an agreement remembers of the provider's answer. */
const PendingIdentity = z.object({
  issuer: z.string(),
  subject: z.string(),
  email: z.string(),
  invitation_id: z.uuid().optional(),
});
type PendingIdentity = z.infer<typeof PendingIdentity>;

/**
 * Logins of people whom an OpenID provider has identified. An identity belongs to one account:
 *
 *   known identity                  → its account
 *   unknown, browser is logged in   → that account, if the person agrees
 *   unknown, verified address       → the account with that address, or the invitation for it, if
 *                                     the person agrees; else a new account, if settings allow one
 */
export class OidcLogins {
  readonly #options: OidcLoginsOptions;

  constructor(options: OidcLoginsOptions) {
    this.#options = options;
  }

  /** Returns the page of the provider, and the cookie with which the browser comes back. */
  async begin(): Promise<{ readonly cookie: string; readonly url: string }> {
    const { attempts, provider } = this.#options;
    const { cookie, attempt } = attempts.create();
    return { cookie, url: await provider.createLoginUrl(attempt) };
  }

  /** Continues with the provider's answer. Each one costs a request there, so failures count. */
  async finish<S extends StartedSession>(
    { cookie, query }: { readonly cookie: string | undefined; readonly query: string },
    request: OidcRequest<S>,
  ): Promise<OidcOutcome<S>> {
    const { attempts, limits, provider } = this.#options;
    const { address } = request.source;
    const attempt = attempts.read(cookie);
    await limits.begin({ address });
    const identity = await provider.getIdentity(query, attempt);
    await limits.succeed({ address });
    return this.#logIn(identity, request);
  }

  /** Returns the page that ends the login at the provider, if there is one. */
  findLogoutUrl(): Promise<string | undefined> {
    return this.#options.provider.findLogoutUrl();
  }

  async #logIn<S extends StartedSession>(
    identity: OidcIdentity,
    { userId, ...request }: OidcRequest<S>,
  ): Promise<OidcOutcome<S>> {
    const { db, identities, links, rules } = this.#options;
    requireAllowedPerson(rules, identity);
    const known = await identities.find(identity);
    if (known) {
      const account = await getActiveAccount(db, known.user_id);
      const login = await db.transaction(async (tx) => {
        await identities.recordUse(tx, known.id);
        return startSession(tx, { account, method: "oidc", request });
      });
      return { login };
    }
    const { email } = identity;
    if (userId !== undefined) {
      const account = await getActiveAccount(db, userId);
      return { consent: await this.#ask(identity, request, { account, email: email ?? identity.subject }) };
    }
    if (email === undefined) throw new WharfError("oidc_email_missing", {});
    const account = await findAccount(db, email);
    if (account?.is_operator) throw new WharfError("oidc_account_protected", { username: account.username });
    if (account) return { consent: await this.#ask(identity, request, { account, email }) };
    const invitation = await links.findInvitation(email);
    if (invitation) return { consent: await this.#ask(identity, request, { invitation, email }) };
    return { login: await this.#createAccount(identity, email, request) };
  }

  /** Links an identity to an account, or accepts an invitation, because the person agreed. */
  async confirm<S extends StartedSession>(
    secret: string,
    { userId, ...request }: OidcRequest<S>,
  ): Promise<LoggedIn<S>> {
    const { db, challenges, identities, links } = this.#options;
    return db.transaction(async (tx) => {
      const challenge = await challenges.use(tx, "identity", secret);
      if (!challenge) throw new WharfError("oidc_attempt_lost", {});
      const pending = PendingIdentity.parse(challenge.data);
      requireSamePerson(challenge, userId);
      const account =
        challenge.user_id === null
          ? ((await findInvitedAccount(tx, pending.email)) ??
            (await createAccount(tx, { email: pending.email, username: undefined, password_hash: null })))
          : await getActiveAccount(tx, challenge.user_id);
      if (pending.invitation_id !== undefined) {
        const { organization_id, role } = await links.useInvitation(tx, pending.invitation_id);
        await addMember(tx, { organization_id, user_id: account.id, role });
      }
      const { issuer, subject, email } = pending;
      await identities.add(tx, { user_id: account.id, issuer, subject, email });
      return startSession(tx, { account, method: "oidc", request });
    });
  }

  async #ask(
    { issuer, subject }: OidcIdentity,
    { source }: Pick<LoginRequest<unknown>, "source">,
    about: {
      readonly email: string;
      readonly account?: { readonly id: string; readonly username: string };
      readonly invitation?: { readonly id: string; readonly role: string };
    },
  ): Promise<OidcConsent> {
    const { email, account, invitation } = about;
    const data: PendingIdentity = { issuer, subject, email, ...(invitation && { invitation_id: invitation.id }) };
    const secret = await this.#options.challenges.create({
      kind: "identity",
      ...source,
      ...(account && { user_id: account.id }),
      data,
    });
    return {
      secret,
      email,
      ...(account && { username: account.username }),
      ...(invitation && { role: invitation.role }),
    };
  }

  /** A person who left every organisation has an account, and needs an invitation to come back. */
  async #createAccount<S extends StartedSession>(
    { issuer, subject }: OidcIdentity,
    email: string,
    request: LoginRequest<S>,
  ): Promise<LoggedIn<S>> {
    const { db, identities, rules, home_id: homeId } = this.#options;
    const { newAccounts: role } = rules;
    if (role === "none" || (await findInvitedAccount(db, email))) throw new WharfError("oidc_not_invited", { email });
    return db.transaction(async (tx) => {
      const account = await createAccount(tx, { email, username: undefined, password_hash: null });
      await addMember(tx, { organization_id: homeId, user_id: account.id, role });
      await identities.add(tx, { user_id: account.id, issuer, subject, email });
      return startSession(tx, { account, method: "oidc", request });
    });
  }
}

/** Somebody else may have logged in with the browser in the meantime. */
function requireSamePerson({ user_id }: ChallengeRow, userId: string | undefined): void {
  if (userId !== undefined && user_id !== userId) throw new WharfError("oidc_attempt_lost", {});
}
