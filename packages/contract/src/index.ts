/** What crosses a process boundary: resources, events, errors, and the routes of the server and of the daemon. */
export * from "./states.ts";
export * from "./event.ts";
export * from "./resources.ts";
export * from "./errors/index.ts";
export * from "./endpoint.ts";
export * from "./daemon-api.ts";
export * from "./daemon-config.ts";
export * from "./api.ts";
