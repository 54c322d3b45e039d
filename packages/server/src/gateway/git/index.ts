/** Git without credentials inside: bare mirrors outside of the runners, served to them and forwarded to the real remotes. */
export { type Mirrors, openMirrors } from "./mirrors.ts";
export { createGitServer } from "./git-server.ts";
