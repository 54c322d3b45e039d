/**
 * The daemon's git operations on the workspace: clone, branch, commit, compare, log, push. The
 * daemon's git has no credentials, and runs nothing that the agent configured.
 */
export { GitService } from "./git-service.ts";
export type { CloneInput } from "./clone.ts";
