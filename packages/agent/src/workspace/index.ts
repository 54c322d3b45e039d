/** The workspace holds the files of a session, confined to its folder. */
export { Workspace } from "./workspace.ts";
