import { WharfError } from "@wharf/contract";
import { z } from "zod";
import { type SecretPlace, toSecretPlace } from "../gateway/index.ts";
import { list } from "./setting-forms.ts";

/** The settings of logins with an OpenID provider. */
export const oidcEnvironment = {
  /**
   * The URL at which people open this server, such as `https://wharf.example.com`. Passkeys belong
   * to its name.
   */
  WHARF_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** The URL of an OpenID provider with which people log in. It needs WHARF_PUBLIC_URL. */
  WHARF_OIDC_ISSUER: z.url({ protocol: /^https?$/ }).optional(),
  /**
   * The id under which the provider knows this server. The redirect URI is
   * `<WHARF_PUBLIC_URL>/oidc/callback`, and the address after a logout `<WHARF_PUBLIC_URL>/login`.
   */
  WHARF_OIDC_CLIENT_ID: z.string().min(1).optional(),
  /** The secret for the provider; a public client has none. */
  WHARF_OIDC_CLIENT_SECRET: z.string().min(1).optional(),
  /** A file that contains the secret for the provider. */
  WHARF_OIDC_CLIENT_SECRET_FILE: z.string().startsWith("/", "an absolute path").optional(),
  /** A command that prints the secret for the provider, such as `op read op://…`. */
  WHARF_OIDC_CLIENT_SECRET_COMMAND: z.string().min(1).optional(),
  /** The name of the provider on the login page. By default, its host. */
  WHARF_OIDC_NAME: z.string().min(1).max(60).optional(),
  /** What the provider is asked for. */
  WHARF_OIDC_SCOPES: z
    .string()
    .regex(/^openid( [\x21\x23-\x5b\x5d-\x7e]+)*$/, "scopes that begin with openid, separated by spaces")
    .default("openid email profile"),
  /** The domains of the e-mail addresses that may log in with the provider. By default, all. */
  WHARF_OIDC_DOMAINS: list.default([]),
  /**
   * The claims of which a person needs one to log in with the provider, as
   * `groups=wharf,groups=staff`. By default, none is needed.
   */
  WHARF_OIDC_CLAIMS: z.string().default("").transform(parseClaims),
  /**
   * The role in the organization `home` of people who log in with the provider for the first time
   * without an invitation. `none` refuses them.
   */
  WHARF_OIDC_NEW_ACCOUNTS: z.enum(["none", "viewer", "member"]).default("none"),
};

const Environment = z.object(oidcEnvironment);
type OidcEnvironment = z.output<typeof Environment>;

export interface RequiredClaim {
  readonly name: string;
  readonly value: string;
}

/** An OpenID provider, and who may log in with it. */
export interface OidcConfig {
  /** Where people open this server. */
  readonly publicUrl: URL;
  readonly issuer: URL;
  readonly clientId: string;
  readonly clientSecret?: SecretPlace;
  readonly name: string;
  readonly scopes: string;
  readonly domains: readonly string[];
  readonly claims: readonly RequiredClaim[];
  readonly newAccounts: "none" | "viewer" | "member";
}

export function toOidcConfig(
  e: OidcEnvironment,
  environment: Readonly<Record<string, string | undefined>>,
): { publicUrl?: URL; oidc?: OidcConfig } {
  const publicUrl = e.WHARF_PUBLIC_URL === undefined ? undefined : new URL(e.WHARF_PUBLIC_URL);
  if (publicUrl && publicUrl.href !== `${publicUrl.origin}/`)
    throw createError("WHARF_PUBLIC_URL", "it has more than a scheme, a host and a port");
  if (e.WHARF_OIDC_ISSUER === undefined) return { ...(publicUrl && { publicUrl }) };
  const issuer = new URL(e.WHARF_OIDC_ISSUER);
  if (issuer.protocol === "http:" && !isLoopback(issuer))
    throw createError("WHARF_OIDC_ISSUER", "a provider on another machine needs https");
  if (!publicUrl) throw createError("WHARF_PUBLIC_URL", "WHARF_OIDC_ISSUER needs it");
  const clientId = e.WHARF_OIDC_CLIENT_ID;
  if (clientId === undefined) throw createError("WHARF_OIDC_CLIENT_ID", "WHARF_OIDC_ISSUER needs it");
  const newAccounts = e.WHARF_OIDC_NEW_ACCOUNTS;
  if (newAccounts !== "none" && e.WHARF_OIDC_DOMAINS.length + e.WHARF_OIDC_CLAIMS.length === 0)
    throw createError(
      "WHARF_OIDC_NEW_ACCOUNTS",
      "it would let in everybody whom the provider knows; set WHARF_OIDC_DOMAINS or WHARF_OIDC_CLAIMS",
    );
  const clientSecret = getSecretPlace(e, environment);
  const oidc: OidcConfig = {
    publicUrl,
    issuer,
    clientId,
    ...(clientSecret && { clientSecret }),
    name: e.WHARF_OIDC_NAME ?? issuer.host,
    scopes: e.WHARF_OIDC_SCOPES,
    domains: e.WHARF_OIDC_DOMAINS.map((domain) => domain.toLowerCase()),
    claims: e.WHARF_OIDC_CLAIMS,
    newAccounts,
  };
  return { publicUrl, oidc };
}

function getSecretPlace(
  e: OidcEnvironment,
  environment: Readonly<Record<string, string | undefined>>,
): SecretPlace | undefined {
  const { WHARF_OIDC_CLIENT_SECRET_FILE: file, WHARF_OIDC_CLIENT_SECRET_COMMAND: command } = e;
  const present = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const [program, ...args] = command?.split(" ").filter(Boolean) ?? [];
  if (program !== undefined) return toSecretPlace({ command: [program, ...args] }, present);
  if (file !== undefined) return toSecretPlace({ file }, present);
  if (e.WHARF_OIDC_CLIENT_SECRET === undefined) return undefined;
  return toSecretPlace({ env: "WHARF_OIDC_CLIENT_SECRET" }, present);
}

function parseClaims(text: string, context: z.RefinementCtx): RequiredClaim[] {
  const claims: RequiredClaim[] = [];
  for (const entry of text.split(",").map((one) => one.trim())) {
    if (entry === "") continue;
    const [, name, value] = /^([^=]+)=(.+)$/.exec(entry) ?? [];
    if (name === undefined || value === undefined) context.addIssue(`'${entry}' does not have the form groups=wharf`);
    else claims.push({ name, value });
  }
  return claims;
}

const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);

const createError = (name: string, reason: string) => new WharfError("config_invalid", { name, reason });
