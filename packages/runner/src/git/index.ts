/**
 * The workspace's git as the daemon does it: clone, branch, commit, compare, look back, push. It knows no credential, and
 * nothing that the agent configured is run by it.
 */
export { GitWorkspace } from "./git-service.ts";
export type { CloneInput } from "./clone.ts";
