export * from "./agent-info.ts";
export * from "./envelope.ts";
export * from "./event.ts";
export * from "./fs-change.ts";
