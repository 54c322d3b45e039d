import { WharfError } from "@wharf/contract";
import type { SessionTokens } from "./session-tokens.ts";
import type { SessionRow, Sessions } from "./sessions.ts";

/** What proves a session: the token of a program, the cookie of a browser, or an earlier proof. */
interface SessionProof {
  readonly token?: string;
  readonly sessionCookie?: string | undefined;
  readonly sessionId?: string;
}

/**
 * Finds the session of a browser's cookie or of a program's token. The session is read for each
 * request, so that its end counts at once.
 */
export class SessionCredentials {
  readonly #sessions: Sessions;
  readonly #tokens: SessionTokens;

  constructor(sessions: Sessions, tokens: SessionTokens) {
    this.#sessions = sessions;
    this.#tokens = tokens;
  }

  /**
   * A token counts alone, also if it is wrong and a cookie came with it. The token of a login that
   * has ended is refused with that reason: its holder can log in again.
   */
  async find({ token, sessionCookie, sessionId }: SessionProof): Promise<SessionRow | undefined> {
    if (token !== undefined) return this.#findByToken(token);
    if (sessionId !== undefined) return this.#sessions.findById(sessionId);
    return sessionCookie === undefined ? undefined : this.#sessions.findByCookie(sessionCookie);
  }

  async #findByToken(token: string): Promise<SessionRow | undefined> {
    const claim = await this.#tokens.check(token);
    if (!claim) return undefined;
    const session = await this.#sessions.findById(claim.session_id);
    if (session?.user_id !== claim.user_id) throw new WharfError("login_ended", {});
    return session;
  }
}
