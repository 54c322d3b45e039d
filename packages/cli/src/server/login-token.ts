import { api, type LoginTokens, RemoteError } from "@wharf/contract";
import type { SavedLogin, SavedLogins } from "../settings/saved-logins.ts";
import type { Settings } from "../settings/settings.ts";
import { Client } from "./client.ts";
import { createLocator } from "./server-address.ts";

/** A request that begins with a valid token should also arrive with one. */
const marginMs = 60_000;

/**
 * Returns the access token of a saved login at a server, and refreshes the login if the token
 * expires soon. Two commands may refresh at the same time: the server gives both the same tokens.
 */
async function getLoginToken(logins: SavedLogins, url: string): Promise<string | undefined> {
  const login = logins.find(url);
  if (!login || login.expires_at - marginMs > Date.now()) return login?.access_token;
  try {
    const tokens = await createOpenClient(url).call(api.refreshLogin, {
      body: { refresh_token: login.refresh_token },
    });
    logins.save(url, toSavedLogin(tokens));
    return tokens.access_token;
  } catch (error) {
    if (error instanceof RemoteError && error.code === "login_ended") logins.remove(url);
    throw error;
  }
}

/** Creates the client of a command line. */
export const createClient = (settings: Settings): Client =>
  new Client(createLocator(settings, async (url) => settings.savedLogins && getLoginToken(settings.savedLogins, url)));

/** Creates a client for the routes that need no token. */
export const createOpenClient = (url: string): Client => new Client(async () => ({ url }));

export const toSavedLogin = ({
  access_token,
  expires_in,
  refresh_token,
  session_id,
  user,
}: LoginTokens): SavedLogin => ({
  access_token,
  expires_at: Date.now() + expires_in * 1000,
  refresh_token,
  session_id,
  username: user.username,
});
