/** The servers of one installation: their shared data, leadership, and addresses. */
export { joinInstallation } from "./installation.ts";
export { Servers } from "./servers.ts";
export { refuseCopiedFolder } from "./copied-folder.ts";
