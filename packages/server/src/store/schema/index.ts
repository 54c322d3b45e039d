export * from "./people.ts";
export * from "./agent-types.ts";
export * from "./tasks.ts";
export * from "./runners.ts";
export * from "./runs.ts";
export * from "./pushes.ts";
export * from "./log.ts";
export * from "./servers.ts";
