/**
 * Redaction: removes the secrets that the server knows from what leaves a runner or the server, in
 * all forms in which people and programs write them.
 */
export { ChunkRedactor } from "./chunk-redactor.ts";
export { DividedTexts, type ReadyItem } from "./divided-texts.ts";
export { KnownSecrets } from "./known-secrets.ts";
export { SecretFilter } from "./secret-filter.ts";
export { type SecretMatch, SecretMatcher } from "./secret-matcher.ts";
