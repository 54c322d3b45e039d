/** A client of the Wharf API. {@link Wharf} has its operations, by what they are about. */
export { isWharfError, WharfConnectionError, WharfError } from "./errors.ts";
export type { CallOptions, WharfOptions } from "./http-client.ts";
export * from "./generated/resources.ts";
export type * from "./generated/schemas.ts";
