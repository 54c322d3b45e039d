import {
  SessionTokens,
  Links,
  LoginLimits,
  LoginManagement,
  LoginPruning,
  Logins,
  Passwords,
  SessionCredentials,
  Sessions,
} from "../access/index.ts";
import type { Storage } from "./open-storage.ts";
import type { ServerSetup } from "./server-options.ts";

/** Creates what people log in with. */
export function createLogins({ options: { config } }: ServerSetup, { db, secret, installation, wakeup }: Storage) {
  const sessions = new Sessions(db, { secret, times: config.sessionTimes, onEnd: () => wakeup.poke("access") });
  const sessionTokens = new SessionTokens({ secret, issuer: installation });
  const links = new Links(db);
  const limits = new LoginLimits(db);
  const logins = new Logins({ db, sessions, links, limits, passwords: new Passwords() });
  return {
    sessionCredentials: new SessionCredentials(sessions, sessionTokens),
    loginPruning: new LoginPruning(sessions, links, limits),
    loginModules: {
      logins,
      sessions,
      sessionTokens,
      links,
      loginManagement: new LoginManagement({ db, sessions, links }),
    },
  };
}
