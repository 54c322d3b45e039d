/** The server as a library: the command line starts it, and tests start it in their own process. */
export { describeDocker, describeSandbox } from "./backends/index.ts";
export { checkGitCredentials, checkRegistries, type SecretReport } from "./gateway/index.ts";
export { type Config, readConfig } from "./config/index.ts";
export { describeModelRoutes, type UpstreamDescription } from "./gateway/index.ts";
export { checkLoginProvider } from "./lifecycle/create-login-provider.ts";
export type { ServerOptions } from "./lifecycle/server-options.ts";
export { type RunningServer, startServer } from "./main.ts";
export { stopLeftoverRunners } from "./lifecycle/take-down.ts";
