/**
 * The rules of git for ignored paths: read by the daemon itself for trees and searches, and asked
 * of git for watching.
 */
export { GitIgnoredPaths } from "./git-ignored-paths.ts";
export { IgnoreLookup } from "./ignore-lookup.ts";
export type { IgnoreRules } from "./ignore-rules.ts";
export { readRules } from "./read-rules.ts";
