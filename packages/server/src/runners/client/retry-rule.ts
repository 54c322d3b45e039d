import {
  agentApi,
  type Endpoint,
  execApi,
  filesApi,
  gitApi,
  journalApi,
  searchApi,
  terminalsApi,
  watchApi,
} from "@wharf/contract";

/**
 * Whether a call may be repeated. `always`: the call changes nothing or is idempotent.
 * `unanswered`: only if no answer came; the daemon's answer, such as a failed clone, is final.
 * `never`: a repeated call would repeat its effect.
 */
export type RetryRule = "always" | "unanswered" | "never";

/**
 * Routes other than GET that may be repeated; for all others, the progress of the first call is
 * unknown.
 */
const always: ReadonlySet<Endpoint> = new Set<Endpoint>([
  journalApi.ackJournal,
  agentApi.cancelTurn,
  agentApi.stopAgent,
  agentApi.pauseAgent,
  agentApi.resumeAgent,
  filesApi.readFile,
  filesApi.fileStats,
  filesApi.listFolder,
  filesApi.listTree,
  filesApi.createFolder,
  searchApi.searchNames,
  searchApi.searchContents,
]);
const unanswered: ReadonlySet<Endpoint> = new Set<Endpoint>([
  gitApi.clone,
  gitApi.push,
  agentApi.startAgent,
  agentApi.prompt,
  agentApi.setMode,
  agentApi.setModel,
  execApi.killCommand,
  terminalsApi.resizeTerminal,
  terminalsApi.renameTerminal,
  terminalsApi.ackTerminal,
  terminalsApi.killTerminal,
  gitApi.gitClone,
  gitApi.gitConfig,
  gitApi.gitBranch,
  gitApi.gitPush,
  watchApi.watcherPause,
  watchApi.watcherResume,
]);

export function getRetryRule(route: Endpoint): RetryRule {
  if (route.method === "GET" || always.has(route)) return "always";
  return unanswered.has(route) ? "unanswered" : "never";
}
