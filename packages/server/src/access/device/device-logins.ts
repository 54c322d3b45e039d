import { createHmac, randomInt } from "node:crypto";
import { WharfError } from "@wharf/contract";
import type { Database } from "../../store/index.ts";
import type { ChallengeRow, Challenges } from "../challenges/challenges.ts";
import type { LoginLimits } from "../limits/login-limits.ts";
import { getActiveAccount } from "../logins/accounts.ts";
import { type LoggedIn, type LoginRequest, startSession, type StartedSession } from "../logins/start-session.ts";
import { deriveKey } from "../secret-text.ts";
import type { LoginSource } from "../sessions/sessions.ts";

export interface DeviceLoginsOptions {
  readonly db: Database;
  readonly secret: string;
  readonly challenges: Challenges;
  readonly limits: LoginLimits;
}

/** Letters that people neither confuse nor read as words. */
const alphabet = "BCDFGHJKLMNPQRSTVWXZ";
const codeLength = 8;
const kind = "device";

/**
 * Logins of programs that a person confirms in a browser: the program shows a code, the person
 * compares it, and the program gets a session of that person's account. The browser may have logged
 * in in any way.
 */
export class DeviceLogins {
  readonly #options: DeviceLoginsOptions;
  readonly #key: Buffer;

  constructor(options: DeviceLoginsOptions) {
    this.#options = options;
    this.#key = deriveKey(options.secret, "codes of device logins");
  }

  async begin(source: LoginSource): Promise<{ device_code: string; user_code: string; expires_in: number }> {
    const { challenges } = this.#options;
    const letters = Array.from({ length: codeLength }, () => alphabet[randomInt(alphabet.length)]).join("");
    const deviceCode = await challenges.create({ kind, ...source, code_hash: this.#hashCode(letters) });
    const userCode = `${letters.slice(0, codeLength / 2)}-${letters.slice(codeLength / 2)}`;
    return { device_code: deviceCode, user_code: userCode, expires_in: challenges.lifetimeSeconds };
  }

  /** Returns the program that shows a code. Wrong codes count as failed logins. */
  async find(userCode: string, { address }: LoginSource): Promise<ChallengeRow> {
    const { challenges, limits } = this.#options;
    await limits.begin({ address });
    const found = await challenges.findByCode(kind, this.#hashCode(userCode));
    if (!found || found.is_approved !== null) throw new WharfError("device_code_unknown", {});
    await limits.succeed({ address });
    return found;
  }

  async decide(
    userCode: string,
    { userId, isApproved, source }: { userId: string; isApproved: boolean; source: LoginSource },
  ): Promise<void> {
    const { challenges } = this.#options;
    const { id } = await this.find(userCode, source);
    const isDecided = await challenges.decide(id, { user_id: userId, is_approved: isApproved });
    if (!isDecided) throw new WharfError("device_code_unknown", {});
  }

  /** Starts the program's session, once a person has confirmed it. */
  async finish<S extends StartedSession>(deviceCode: string, request: LoginRequest<S>): Promise<LoggedIn<S>> {
    const { challenges, db } = this.#options;
    const found = await challenges.find(kind, deviceCode);
    if (!found) throw new WharfError("device_login_expired", {});
    if (found.is_approved === null) throw new WharfError("device_login_pending", {});
    return db.transaction(async (tx) => {
      const used = await challenges.use(tx, kind, deviceCode);
      if (!used) throw new WharfError("device_login_expired", {});
      if (!used.is_approved || used.user_id === null) throw new WharfError("device_login_refused", {});
      return startSession(tx, { account: await getActiveAccount(tx, used.user_id), method: "device", request });
    });
  }

  /** People type codes in any case, with or without the hyphen. */
  #hashCode(userCode: string): string {
    const letters = userCode.toUpperCase().replaceAll(/[^A-Z]/g, "");
    return createHmac("sha256", this.#key).update(letters).digest("base64url");
  }
}
