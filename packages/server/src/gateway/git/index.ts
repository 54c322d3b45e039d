/**
 * Git without credentials in the runners: the server keeps bare mirrors outside, serves them to
 * runners and forwards branches to the real remotes.
 */
export type { AddressPolicy, GitHostRule } from "./address-policy.ts";
export { checkGitCredentials, GitCredentials } from "./credentials/index.ts";
export { type GitAuthor, readHostAuthor } from "./host-author.ts";
export { type Mirrors, openMirrors } from "./mirrors.ts";
export type { MirrorReader } from "./reading/mirror-reader.ts";
export { selectBranches } from "./select-branches.ts";
export { createGitServer, type PushScanOptions } from "./git-server.ts";
