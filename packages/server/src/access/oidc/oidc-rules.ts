import { WharfError } from "@wharf/contract";
import type { OidcIdentity } from "./oidc-provider.ts";

/** Whom the settings let in with a provider. */
export interface OidcRules {
  readonly domains: readonly string[];
  /** Claims of which a person needs one. */
  readonly claims: readonly { readonly name: string; readonly value: string }[];
  /** The role of people who come without an invitation. */
  readonly newAccounts: "none" | "viewer" | "member";
}

/** Checks a person at every login, because the provider may have changed their claims. */
export function requireAllowedPerson({ domains, claims }: OidcRules, { email, claims: held }: OidcIdentity): void {
  if (domains.length > 0) {
    if (email === undefined) throw new WharfError("oidc_email_missing", {});
    const domain = email.slice(email.lastIndexOf("@") + 1);
    if (!domains.includes(domain)) throw new WharfError("oidc_not_allowed", { reason: `addresses of ${domain}` });
  }
  const hasClaim = claims.some(({ name, value }) => [held[name]].flat().some((one) => String(one) === value));
  if (claims.length > 0 && !hasClaim)
    throw new WharfError("oidc_not_allowed", { reason: "people without one of the required claims" });
}
