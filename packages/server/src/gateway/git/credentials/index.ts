/** The logins with which the server's git reaches git hosts. */
export { describeEntry } from "./credential-entry.ts";
export { checkGitCredentials, GitCredentials } from "./git-credentials.ts";
export { getLoginSettings, getLoginVariables, type Login, removeLogin } from "./login.ts";
export { createSshCommand } from "./ssh-command.ts";
