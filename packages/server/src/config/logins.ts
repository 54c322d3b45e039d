import { isIP } from "node:net";
import { z } from "zod";
import { type OidcConfig, oidcEnvironment, toOidcConfig } from "./oidc.ts";
import { flag, list, parseTime } from "./setting-forms.ts";

/** The settings of people's logins. */
export const loginEnvironment = {
  /** How long a login lasts without a request. */
  WHARF_SESSION_IDLE: z.string().default("7d").transform(parseTime),
  /** How long a login lasts at most. */
  WHARF_SESSION_MAX: z.string().default("30d").transform(parseTime),
  /**
   * `1` accepts a token in the address of a stream, as `?token=…`. Wharf does not log it, but a
   * proxy may.
   */
  WHARF_QUERY_TOKENS: flag.default(false),
  /**
   * The addresses of proxies in front of the server, separated by commas: an address or a network
   * such as `10.0.0.0/8`. Only from these does the server believe `X-Forwarded-For`, which names
   * the client for the audit log and the limits of logins.
   */
  WHARF_TRUSTED_PROXIES: list.default([]).superRefine((addresses, context) => {
    const wrong = addresses.find((address) => !isNetwork(address));
    if (wrong !== undefined) context.addIssue(`'${wrong}' is not an address or a network such as 10.0.0.0/8`);
  }),
};

function isNetwork(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/");
  const version = isIP(address);
  const isMask = bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
  return version !== 0 && isMask && more.length === 0;
}

const Environment = z.object({ ...loginEnvironment, ...oidcEnvironment });

export interface LoginConfig {
  readonly acceptsQueryTokens: boolean;
  readonly sessionTimes: { readonly idleMs: number; readonly maxMs: number };
  readonly trustedProxies: readonly string[];
  /** The URL at which people open this server, if the settings name it. */
  readonly publicUrl?: URL;
  readonly oidc?: OidcConfig;
}

export const toLoginConfig = (
  e: z.output<typeof Environment>,
  environment: Readonly<Record<string, string | undefined>>,
): LoginConfig => ({
  ...toOidcConfig(e, environment),
  sessionTimes: { idleMs: e.WHARF_SESSION_IDLE, maxMs: e.WHARF_SESSION_MAX },
  trustedProxies: e.WHARF_TRUSTED_PROXIES,
  acceptsQueryTokens: e.WHARF_QUERY_TOKENS,
});
