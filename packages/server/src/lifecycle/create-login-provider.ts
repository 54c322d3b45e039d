import { WharfError } from "@wharf/contract";
import { OidcProvider } from "../access/index.ts";
import { oidcCallbackPath } from "../api/index.ts";
import { type OidcConfig, readConfig } from "../config/index.ts";
import { Secret } from "../gateway/index.ts";

/** Creates the login provider of the settings. Each new value of its secret is reported. */
export function createLoginProvider(
  { publicUrl, issuer, clientId, clientSecret, scopes }: OidcConfig,
  onSecret: (name: string, value: string) => void = () => undefined,
): OidcProvider {
  const secret =
    clientSecret &&
    new Secret(clientSecret, {
      name: "secret of the login provider",
      createError: ({ message }) =>
        new WharfError("oidc_unavailable", {
          issuer: issuer.host,
          reason: `its client secret cannot be read: ${message}`,
        }),
      onValue: onSecret,
    });
  return new OidcProvider({
    issuer,
    clientId,
    scopes,
    getSecret: async () => secret?.get(),
    redirectUri: publicUrl.origin + oidcCallbackPath,
    loggedOutUri: `${publicUrl.origin}/login`,
  });
}

/** Checks the login provider of the settings; returns its name, or undefined if there is none. */
export async function checkLoginProvider(environment: Readonly<Record<string, string>>): Promise<string | undefined> {
  const { oidc } = readConfig(environment);
  if (!oidc) return undefined;
  await createLoginProvider(oidc).check();
  return oidc.name;
}
