/** The server's settings, from its environment. */
export { type Config, readConfig } from "./config.ts";
export type { OidcConfig } from "./oidc.ts";
