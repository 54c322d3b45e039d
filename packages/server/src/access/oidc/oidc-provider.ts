import { WharfError } from "@wharf/contract";
import type { Configuration, ServerMetadata } from "openid-client";
import type { OidcAttempt } from "./oidc-attempts.ts";

/** Loads the library only on servers that use it. */
const loadLibrary = () => import("openid-client");
type Library = Awaited<ReturnType<typeof loadLibrary>>;

export interface OidcProviderOptions {
  readonly issuer: URL;
  readonly clientId: string;
  /** Returns the secret, which may change; undefined for a public client. */
  readonly getSecret: () => Promise<string | undefined>;
  readonly redirectUri: string;
  readonly scopes: string;
  /** Where people are after a logout at the provider. */
  readonly loggedOutUri: string;
}

/** A person, as the provider describes them. */
export interface OidcIdentity {
  readonly issuer: string;
  readonly subject: string;
  /** Absent unless the provider has verified that the address belongs to the person. */
  readonly email?: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

const timeoutSeconds = 10;
/** The provider's own description may change, for example when it moves to other addresses. */
const metadataLifetimeMs = 3_600_000;
const maxEmailLength = 255;

/** An OpenID provider: where it logs people in, and whom it has logged in. */
export class OidcProvider {
  readonly #options: OidcProviderOptions;
  #metadata: { readonly value: ServerMetadata; readonly expiresAt: number } | undefined;

  constructor(options: OidcProviderOptions) {
    this.#options = options;
  }

  /** Returns the page of the provider on which a person logs in. */
  async createLoginUrl({ state, nonce, codeVerifier }: OidcAttempt): Promise<string> {
    const { redirectUri, scopes } = this.#options;
    return this.#use(async (library, configuration) => {
      const url = library.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: scopes,
        state,
        nonce,
        code_challenge: await library.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: "S256",
      });
      return url.href;
    });
  }

  /** Returns the person whom the provider names in its answer to an attempt. */
  async getIdentity(query: string, { state, nonce, codeVerifier }: OidcAttempt): Promise<OidcIdentity> {
    const { redirectUri } = this.#options;
    return this.#use(async (library, configuration) => {
      const tokens = await library.authorizationCodeGrant(configuration, new URL(redirectUri + query), {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: codeVerifier,
        idTokenExpected: true,
      });
      const idToken = tokens.claims();
      if (!idToken) throw new Error("it sent no ID token");
      const { userinfo_endpoint: endpoint } = configuration.serverMetadata();
      const info = endpoint ? await library.fetchUserInfo(configuration, tokens.access_token, idToken.sub) : {};
      return toIdentity({ ...info, ...idToken });
    });
  }

  /** Returns the page of the provider that ends the login there too, if it has one. */
  async findLogoutUrl(): Promise<string | undefined> {
    return this.#use(async (library, configuration) => {
      if (!configuration.serverMetadata().end_session_endpoint) return undefined;
      const parameters = { post_logout_redirect_uri: this.#options.loggedOutUri };
      return library.buildEndSessionUrl(configuration, parameters).href;
    });
  }

  /** Checks that the provider answers and can do what Wharf needs. */
  async check(): Promise<void> {
    this.#metadata = undefined;
    await this.#use(async (_, configuration) => {
      const metadata = configuration.serverMetadata();
      if (!metadata.authorization_endpoint || !metadata.token_endpoint)
        throw new Error("it has no authorization endpoint or no token endpoint");
      if (metadata.code_challenge_methods_supported?.includes("S256") === false)
        throw new Error("it does not support PKCE with S256");
    });
  }

  async #use<T>(work: (library: Library, configuration: Configuration) => Promise<T>): Promise<T> {
    const library = await loadLibrary();
    const secret = await this.#options.getSecret();
    try {
      return await work(library, await this.#configure(library, secret));
    } catch (error) {
      throw toCatalogueError(library, error, this.#options.issuer);
    }
  }

  async #configure(library: Library, secret: string | undefined): Promise<Configuration> {
    const { issuer, clientId } = this.#options;
    const isPlain = issuer.protocol === "http:";
    if (!this.#metadata || this.#metadata.expiresAt < Date.now()) {
      const execute = isPlain ? [library.allowInsecureRequests] : [];
      const found = await library.discovery(issuer, clientId, undefined, library.None(), {
        execute,
        timeout: timeoutSeconds,
      });
      this.#metadata = { value: found.serverMetadata(), expiresAt: Date.now() + metadataLifetimeMs };
    }
    const metadata = this.#metadata.value;
    const configuration = new library.Configuration(
      metadata,
      clientId,
      {},
      getAuthentication(library, metadata, secret),
    );
    configuration.timeout = timeoutSeconds;
    if (isPlain) library.allowInsecureRequests(configuration);
    library.enableNonRepudiationChecks(configuration);
    return configuration;
  }
}

function getAuthentication(library: Library, metadata: ServerMetadata, secret: string | undefined) {
  if (secret === undefined) return library.None();
  const { token_endpoint_auth_methods_supported: methods = ["client_secret_basic"] } = metadata;
  return methods.includes("client_secret_basic") ? library.ClientSecretBasic(secret) : library.ClientSecretPost(secret);
}

function toIdentity(
  claims: Readonly<Record<string, unknown>> & { readonly sub: string; readonly iss: string },
): OidcIdentity {
  const { email, email_verified: isVerified } = claims;
  const isAddress =
    typeof email === "string" && email.length <= maxEmailLength && /^[^\s@<>"]+@[^\s@<>"]+$/.test(email);
  return {
    issuer: claims.iss,
    subject: claims.sub,
    ...(isAddress && isVerified === true && { email: email.toLowerCase() }),
    claims,
  };
}

/** The provider's own words are for the log: people get what they can do about it. */
function toCatalogueError(library: Library, error: unknown, issuer: URL): Error {
  if (error instanceof WharfError) return error;
  if (error instanceof library.AuthorizationResponseError && error.error === "access_denied")
    return new WharfError("oidc_cancelled", {}, { cause: error });
  const reason = describeFailure(library, error);
  const isAnswer =
    error instanceof library.AuthorizationResponseError ||
    error instanceof library.ResponseBodyError ||
    error instanceof library.ClientError;
  return isAnswer && !isNetworkFailure(error)
    ? new WharfError("oidc_failed", { issuer: issuer.host, reason }, { cause: error })
    : new WharfError("oidc_unavailable", { issuer: issuer.host, reason }, { cause: error });
}

const isNetworkFailure = (error: Error & { code?: string }): boolean =>
  error.code === "OAUTH_TIMEOUT" || error.code === "OAUTH_RESPONSE_IS_NOT_CONFORM";

function describeFailure(library: Library, error: unknown): string {
  if (error instanceof library.AuthorizationResponseError || error instanceof library.ResponseBodyError)
    return error.error;
  return error instanceof Error ? error.message : "unknown";
}
