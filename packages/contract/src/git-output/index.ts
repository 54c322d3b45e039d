/** The output of git, as the daemon and the server read it from their repositories. */
export * from "./changes.ts";
export * from "./log.ts";
