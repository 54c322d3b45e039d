import { WharfError } from "@wharf/contract";
import type { Database } from "../../store/index.ts";
import type { ChallengeKind, ChallengeRow, Challenges } from "../challenges/challenges.ts";
import type { LoginLimits } from "../limits/login-limits.ts";
import { getActiveAccount } from "../logins/accounts.ts";
import { type LoggedIn, type LoginRequest, startSession, type StartedSession } from "../logins/start-session.ts";
import type { LoginSource } from "../sessions/sessions.ts";
import { findPasskeyParty, type PasskeyParty } from "./passkey-place.ts";
import {
  type CreatedPasskey,
  createNewOptions,
  createUseOptions,
  PasskeyChallenge,
  type UsedPasskey,
  verifyNew,
  verifyUse,
} from "./passkey-proof.ts";
import { maxPasskeys, type PasskeyRow, type Passkeys } from "./passkeys.ts";

export interface PasskeyLoginsOptions {
  readonly db: Database;
  readonly challenges: Challenges;
  readonly limits: LoginLimits;
  readonly passkeys: Passkeys;
  /** Where people open this server, if the settings say so. */
  readonly publicUrl: URL | undefined;
}

/** An attempt that a page has begun. Only this page knows its secret. */
export interface PasskeyAttempt<O> {
  readonly secret: string;
  /** What the browser passes to the device. */
  readonly options: O;
}

/** The host that a browser has opened, and where the browser is. */
export interface PasskeyBrowser {
  readonly host: string;
  readonly source: LoginSource;
}

/**
 * Makes passkeys and logs in with them (WebAuthn). An attempt has two requests: the first one
 * creates a challenge, which the person's device signs, and the second one brings the signature.
 * Each challenge is used up by the first answer to it, correct or not.
 */
export class PasskeyLogins {
  readonly #options: PasskeyLoginsOptions;

  constructor(options: PasskeyLoginsOptions) {
    this.#options = options;
  }

  /** Returns why passkeys do not work at this host, or undefined if they do. */
  findProblem(host: string): WharfError<"passkeys_unavailable"> | undefined {
    const party = findPasskeyParty(host, this.#options.publicUrl);
    return party instanceof WharfError ? party : undefined;
  }

  async beginAdding(userId: string, { host, source }: PasskeyBrowser) {
    const { db, passkeys } = this.#options;
    const party = this.#requireParty(host);
    const { id, username } = await getActiveAccount(db, userId);
    const ownPasskeys = await passkeys.list(id);
    if (ownPasskeys.length >= maxPasskeys) throw new WharfError("too_many_passkeys", { max: maxPasskeys });
    const options = await createNewOptions(party, { id, username, passkeys: ownPasskeys });
    return this.#begin({ kind: "new-passkey", user_id: id }, { options, party, source });
  }

  async add(
    userId: string,
    { secret, created, name }: { readonly secret: string; readonly created: CreatedPasskey; readonly name: string },
  ): Promise<PasskeyRow> {
    const { row, expected } = await this.#useChallenge("new-passkey", secret);
    // Somebody else may have logged in with the browser in the meantime.
    if (row.user_id !== userId) throw new WharfError("passkey_attempt_lost", {});
    const newPasskey = await verifyNew(created, expected);
    return this.#options.passkeys.add({ user_id: userId, name, domain: expected.party.domain, ...newPasskey });
  }

  async beginLogin({ host, source }: PasskeyBrowser) {
    const party = this.#requireParty(host);
    return this.#begin({ kind: "passkey" }, { options: await createUseOptions(party), party, source });
  }

  /** Logs in as the person whose passkey signed the challenge. */
  async logIn<S extends StartedSession>(
    { secret, used }: { readonly secret: string; readonly used: UsedPasskey },
    request: LoginRequest<S>,
  ): Promise<LoggedIn<S>> {
    const { db, limits, passkeys } = this.#options;
    const { address } = request.source;
    await limits.begin({ address });
    const { expected } = await this.#useChallenge("passkey", secret);
    const passkey = await passkeys.find({ credential_id: used.id, domain: expected.party.domain });
    if (!passkey) throw new WharfError("passkey_refused", {});
    const use = await verifyUse(used, passkey, expected);
    const account = await getActiveAccount(db, passkey.user_id);
    const login = await db.transaction(async (tx) => {
      await passkeys.recordUse(tx, passkey, use);
      return startSession(tx, { account, method: "passkey", request });
    });
    await limits.succeed({ address });
    return login;
  }

  #requireParty(host: string): PasskeyParty {
    const party = findPasskeyParty(host, this.#options.publicUrl);
    if (party instanceof WharfError) throw party;
    return party;
  }

  async #begin<O extends { readonly challenge: string }>(
    target: { readonly kind: ChallengeKind; readonly user_id?: string },
    { options, party, source }: { readonly options: O; readonly party: PasskeyParty; readonly source: LoginSource },
  ): Promise<PasskeyAttempt<O>> {
    const data: PasskeyChallenge = { challenge: options.challenge, party };
    return { secret: await this.#options.challenges.create({ ...target, ...source, data: { ...data } }), options };
  }

  async #useChallenge(
    kind: ChallengeKind,
    secret: string,
  ): Promise<{ readonly row: ChallengeRow; readonly expected: PasskeyChallenge }> {
    const { db, challenges } = this.#options;
    const row = await challenges.use(db, kind, secret);
    if (!row) throw new WharfError("passkey_attempt_lost", {});
    return { row, expected: PasskeyChallenge.parse(row.data) };
  }
}
