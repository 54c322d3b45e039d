/**
 * The gateway: the only way out of a runner. Requests come backwards over the wire from sandboxes that are not trusted.
 * It serves each run the mirror of its own repository and the model route it may use, adds the keys outside, and refuses
 * and reports everything else.
 */
export type { GatewayContext, GatewayHooks, UpstreamFault } from "./context.ts";
export { createGateway, type FindContext, type Gateway } from "./gateway.ts";
export { type Mirrors, openMirrors } from "./git/index.ts";
