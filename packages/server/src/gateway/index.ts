/**
 * The gateway: the only way out of a runner. Requests arrive over the wire from untrusted
 * sandboxes. The gateway serves each run the mirror of its repository and its model route, adds the
 * keys outside the sandbox, and refuses and reports everything else.
 */
export type {
  Denial,
  GatewayContext,
  GatewayHooks,
  ModelRoute,
  ModelUpstream,
  RunnerNames,
  UpstreamFault,
} from "./context.ts";
export { createGateway, type FindContext, type Gateway, type GatewayOptions } from "./gateway.ts";
export {
  type AddressPolicy,
  checkGitCredentials,
  type GitAuthor,
  GitCredentials,
  type GitHostRule,
  type MirrorReader,
  type Mirrors,
  openMirrors,
  readHostAuthor,
  selectBranches,
} from "./git/index.ts";
export { describeModelRoutes, presentModelRoutes, type UpstreamDescription } from "./models/index.ts";
export {
  CommandLine,
  createCommandEnvironment,
  Secret,
  type SecretPlace,
  type SecretReport,
  toSecretPlace,
  variableName,
  VariableNames,
} from "./secrets/index.ts";
export { formatTarget, type HostRule } from "./hosts/index.ts";
export { checkRegistries, openRegistries, type RegistryEntry, RegistryFile } from "./registries/index.ts";
