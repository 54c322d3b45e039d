import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";

export interface ProviderPerson {
  readonly email: string;
  readonly email_verified?: boolean;
  readonly groups?: readonly string[];
}

export const clientId = "wharf";
export const clientSecret = "the-secret-of-wharf-at-the-provider";

/**
 * Starts a real OpenID provider on this machine. A person logs in with their name and any password;
 * `people` says what the provider knows about them.
 */
export async function startLoginProvider(
  people: Readonly<Record<string, ProviderPerson>>,
  wharfUrl: string,
): Promise<AsyncDisposable & { readonly issuer: string }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [`${wharfUrl}/oidc/callback`],
        post_logout_redirect_uris: [`${wharfUrl}/login`],
      },
    ],
    pkce: { required: () => true },
    cookies: { keys: ["a key for the tests"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["groups"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email_verified: true, ...people[id] }),
    }),
  });
  server.on("request", provider.callback());
  return {
    issuer,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
