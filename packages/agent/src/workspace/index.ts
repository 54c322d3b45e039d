/** The files of a session, confined to its folder. */
export { Workspace } from "./workspace.ts";
