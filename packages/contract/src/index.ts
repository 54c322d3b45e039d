/**
 * Everything that crosses a process boundary: resources, events, errors, and the routes of the
 * server and the daemon.
 */
export * from "./states.ts";
export * from "./event.ts";
export * from "./runner-record.ts";
export * from "./agent-offer.ts";
export * from "./paging.ts";
export * from "./resources.ts";
export * from "./foreign-text.ts";
export * from "./mcp-server.ts";
export * from "./model-routes.ts";
export * from "./errors/index.ts";
export * from "./endpoint.ts";
export * from "./short-id.ts";
export * from "./version.ts";
export * from "./daemon-api.ts";
export * from "./daemon-config.ts";
export * from "./daemon/index.ts";
export * from "./daemon/exec.ts";
export * from "./daemon/files.ts";
export * from "./daemon/search.ts";
export * from "./daemon/git.ts";
export * from "./daemon/watch.ts";
export * from "./daemon/terminals.ts";
export * from "./daemon/terminal-frames.ts";
export * from "./daemon/agent.ts";
export * from "./daemon/attachments.ts";
export * from "./api.ts";
export * from "./runner-api.ts";
