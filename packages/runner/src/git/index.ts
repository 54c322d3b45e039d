/** The workspace's git as the daemon does it: clone, commit after each turn, difference, push. It knows no credential. */
export { GitWorkspace } from "./git-workspace.ts";
