/**
 * The gateway: the only way out of a runner. Requests come backwards over the wire from sandboxes that are not trusted.
 * It serves each run the mirror of its own repository and the model route it may use, adds the keys outside, and refuses
 * and reports everything else.
 */
export type { GatewayContext, GatewayHooks, GatewayLog, ModelRoute, ModelUse, Pushed } from "./context.ts";
export { createGateway, type FindContext, type Gateway, type GatewayOptions } from "./gateway.ts";
export { type EnsureOptions, type ForwardInput, type Mirrors, type MirrorsOptions, openMirrors } from "./git/index.ts";
