/**
 * Everything that crosses a process boundary: resources, events, errors, and the routes of the
 * server and the daemon.
 */
export * from "./attachments.ts";
export * from "./budget-text.ts";
export * from "./daemon/index.ts";
export * from "./endpoint-errors.ts";
export * from "./endpoint.ts";
export * from "./errors/index.ts";
export * from "./errors/invalid-request.ts";
export * from "./events/index.ts";
export * from "./foreign-text.ts";
export * from "./hosts/index.ts";
export * from "./mcp-server.ts";
export * from "./model-routes.ts";
export * from "./permissions.ts";
export * from "./server/index.ts";
export * from "./states.ts";
export { tiers } from "./tiers.ts";
export * from "./version.ts";
