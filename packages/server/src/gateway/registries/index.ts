/** Package registries that need a credential, which never enters a runner. */
export { checkRegistries, openRegistries } from "./open-registries.ts";
export { type RegistryEntry, RegistryFile } from "./registry-entry.ts";
export { RegistryProxy } from "./registry-proxy.ts";
export type { Registry } from "./registry.ts";
