import { createHmac } from "node:crypto";
import { WharfError } from "@wharf/contract";
import { createSecretText, deriveKey } from "../secret-text.ts";

/** A person may take this long at the provider. */
export const oidcAttemptSeconds = 10 * 60;

/** What binds the provider's answer to the browser that asked for it. */
export interface OidcAttempt {
  readonly state: string;
  readonly nonce: string;
  /** The secret of PKCE, of which the provider gets only a hash at first. */
  readonly codeVerifier: string;
}

const cookieForm = /^(\d{13})\.[\w-]{43}$/;

/**
 * Attempts to log in with a provider. The browser's cookie is random, and all else of an attempt is
 * derived from it with a key of the servers: an attempt needs no row, any server can finish it, and
 * the cookie alone does not reveal it.
 */
export class OidcAttempts {
  readonly #key: Buffer;

  constructor(secret: string) {
    this.#key = deriveKey(secret, "logins with a provider");
  }

  create(): { readonly cookie: string; readonly attempt: OidcAttempt } {
    const cookie = `${Date.now()}.${createSecretText()}`;
    return { cookie, attempt: this.#derive(cookie) };
  }

  /** A cookie with another time leads to a state that the provider's answer does not have. */
  read(cookie: string | undefined): OidcAttempt {
    const [, startedAt] = cookieForm.exec(cookie ?? "") ?? [];
    const isOpen = startedAt !== undefined && Date.now() - Number(startedAt) < oidcAttemptSeconds * 1000;
    if (cookie === undefined || !isOpen) throw new WharfError("oidc_attempt_lost", {});
    return this.#derive(cookie);
  }

  #derive(cookie: string): OidcAttempt {
    const derive = (purpose: string) =>
      createHmac("sha256", this.#key).update(`${purpose} ${cookie}`).digest("base64url");
    return { state: derive("state"), nonce: derive("nonce"), codeVerifier: derive("code verifier") };
  }
}
