import {
  Challenges,
  DeviceLogins,
  IdempotencyKeys,
  Identities,
  OidcAttempts,
  OidcLogins,
  SessionTokens,
  Links,
  LoginLimits,
  LoginManagement,
  LoginPruning,
  Logins,
  PasskeyLogins,
  Passkeys,
  Passwords,
  SessionCredentials,
  Sessions,
  StreamTickets,
} from "../access/index.ts";
import { createLoginProvider } from "./create-login-provider.ts";
import type { Storage } from "./open-storage.ts";
import type { ServerSetup } from "./server-options.ts";

/** Creates what people log in with. */
export function createLogins(
  { options: { config }, secrets }: ServerSetup,
  { db, secret, installation, owner, wakeup }: Storage,
) {
  const sessions = new Sessions(db, { secret, times: config.sessionTimes, onEnd: () => wakeup.poke("access") });
  const sessionTokens = new SessionTokens({ secret, issuer: installation });
  const links = new Links(db);
  const limits = new LoginLimits(db);
  const challenges = new Challenges(db);
  const identities = new Identities(db);
  const passkeys = new Passkeys(db);
  const oidcLogins =
    config.oidc &&
    new OidcLogins({
      db,
      challenges,
      links,
      limits,
      identities,
      attempts: new OidcAttempts(secret),
      provider: createLoginProvider(config.oidc, (name, value) => secrets.register(name, value)),
      rules: config.oidc,
      home_id: owner.organization_id,
    });
  const streamTickets = new StreamTickets(db);
  const idempotencyKeys = new IdempotencyKeys(db);
  const logins = new Logins({ db, sessions, links, limits, passwords: new Passwords() });
  return {
    sessionCredentials: new SessionCredentials(sessions, sessionTokens),
    loginPruning: new LoginPruning(sessions, links, limits, challenges, idempotencyKeys, streamTickets),
    loginModules: {
      logins,
      idempotencyKeys,
      sessions,
      sessionTokens,
      links,
      identities,
      passkeys,
      passkeyLogins: new PasskeyLogins({ db, challenges, limits, passkeys, publicUrl: config.publicUrl }),
      streamTickets,
      deviceLogins: new DeviceLogins({ db, secret, challenges, limits }),
      ...(config.oidc &&
        oidcLogins && { oidc: { logins: oidcLogins, name: config.oidc.name, publicUrl: config.oidc.publicUrl } }),
      loginManagement: new LoginManagement({ db, sessions, links }),
    },
  };
}
