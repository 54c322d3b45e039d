import { deriveKey } from "../secret-text.ts";

export interface SessionClaim {
  readonly user_id: string;
  readonly session_id: string;
}

export interface SessionToken {
  readonly token: string;
  readonly expires_in: number;
}

export interface SessionTokenOptions {
  readonly secret: string;
  /** The installation: its tokens are refused by every other one. */
  readonly issuer: string;
  /** The clock. @default Date.now */
  readonly now?: () => number;
}

const lifetimeSeconds = 15 * 60;
const clockToleranceSeconds = 5;
const rotationMs = 7 * 86_400_000;
const algorithm = "HS256";
const audience = "wharf";
const type = "at+jwt";

/**
 * Issues and checks the short-lived tokens of programs (JWT). Each week has another key, which all
 * servers of an installation derive from their secret; the key's id is the number of the week.
 */
export class SessionTokens {
  readonly #options: SessionTokenOptions;
  readonly #now: () => number;

  constructor(options: SessionTokenOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  async issue({ user_id, session_id }: SessionClaim): Promise<SessionToken> {
    const { SignJWT } = await loadJose();
    const seconds = Math.floor(this.#now() / 1000);
    const keyId = this.#getCurrentKeyId();
    const token = await new SignJWT({ sid: session_id })
      .setProtectedHeader({ alg: algorithm, typ: type, kid: String(keyId) })
      .setSubject(user_id)
      .setIssuer(this.#options.issuer)
      .setAudience(audience)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + lifetimeSeconds)
      .sign(this.#deriveKey(keyId));
    return { token, expires_in: lifetimeSeconds };
  }

  /** Returns the claim of a valid token. Whether its session has ended is not in the token. */
  async check(token: string): Promise<SessionClaim | undefined> {
    const { errors, jwtVerify } = await loadJose();
    try {
      const { payload } = await jwtVerify(token, ({ kid }) => this.#findKey(kid), {
        algorithms: [algorithm],
        typ: type,
        issuer: this.#options.issuer,
        audience,
        requiredClaims: ["sub", "sid", "exp"],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(this.#now()),
      });
      const { sub, sid } = payload;
      return sub !== undefined && typeof sid === "string" ? { user_id: sub, session_id: sid } : undefined;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  /** Tokens of the last week are still valid; the clocks of servers differ a little. */
  #findKey(kid: string | undefined): Uint8Array {
    const current = this.#getCurrentKeyId();
    const keyId = [current, current - 1, current + 1].find((id) => String(id) === kid);
    // An unknown key is a random one, so that every wrong token fails alike.
    return keyId === undefined ? crypto.getRandomValues(new Uint8Array(32)) : this.#deriveKey(keyId);
  }

  #getCurrentKeyId(): number {
    return Math.floor(this.#now() / rotationMs);
  }

  #deriveKey(keyId: number): Buffer {
    return deriveKey(this.#options.secret, `session tokens ${keyId}`);
  }
}

/** A server that only its owner uses does not need the library. */
const loadJose = () => import("jose");
