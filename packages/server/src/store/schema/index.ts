export * from "./people.ts";
export * from "./work.ts";
export * from "./log.ts";
export * from "./servers.ts";
