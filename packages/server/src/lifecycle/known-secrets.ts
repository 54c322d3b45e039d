import type { Config } from "../config/index.ts";
import { KnownSecrets } from "../redaction/index.ts";

/** Returns the secrets in the settings, by the setting's name. */
export function createKnownSecrets({ databaseUrl, modelRoutes, secret }: Config): KnownSecrets {
  const secrets = new KnownSecrets();
  for (const [route, { key }] of Object.entries(modelRoutes)) secrets.register(`${route.toUpperCase()}_API_KEY`, key);
  if (secret !== undefined) secrets.register("WHARF_SECRET", secret);
  const password = databaseUrl === undefined ? "" : getPassword(databaseUrl);
  if (password !== "") secrets.register("password of DATABASE_URL", password);
  return secrets;
}

function getPassword(url: string): string {
  if (!URL.canParse(url)) return "";
  const { password } = new URL(url);
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}
