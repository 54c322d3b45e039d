import type { Config } from "../config/index.ts";
import { KnownSecrets } from "../redaction/index.ts";

/** Returns the secrets in the settings, by the setting's name. */
export function createKnownSecrets({ databaseUrl, modelRoutes, secret }: Config): KnownSecrets {
  const secrets = new KnownSecrets();
  for (const { key } of Object.values(modelRoutes).flatMap(({ upstreams }) => upstreams))
    if (key.kind === "environment" && key.value !== undefined) secrets.register(key.name, key.value);
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
