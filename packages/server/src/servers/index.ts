/** The servers of one installation: what they share, who leads, and where each answers. */
export { joinInstallation } from "./installation.ts";
export { Servers } from "./servers.ts";
export { refuseCopiedFolder } from "./copied-folder.ts";
