import {
  agentApi,
  coreApi,
  type Endpoint,
  execApi,
  filesApi,
  gitApi,
  searchApi,
  terminalsApi,
  watchApi,
} from "@wharf/contract";

/**
 * Whether a call may be made a second time. `always`: it changes nothing, or done twice it is as done once. `unanswered`:
 * only where no answer came; what the daemon answers is its considered word, a failed clone for one. `never`: asked twice
 * it would be done twice.
 */
export type RetryRule = "always" | "unanswered" | "never";

/** The routes that are no GET and may be asked again; of any other it is not known how far the first call got. */
const always: ReadonlySet<Endpoint> = new Set<Endpoint>([
  coreApi.ackJournal,
  coreApi.cancelTurn,
  coreApi.stopAgent,
  agentApi.pauseAgent,
  agentApi.resumeAgent,
  filesApi.readFile,
  filesApi.fileStats,
  filesApi.listFolder,
  filesApi.listTree,
  searchApi.searchNames,
  searchApi.searchContents,
]);
const unanswered: ReadonlySet<Endpoint> = new Set<Endpoint>([
  coreApi.clone,
  coreApi.push,
  coreApi.startAgent,
  coreApi.prompt,
  agentApi.setMode,
  agentApi.setModel,
  execApi.killCommand,
  terminalsApi.resizeTerminal,
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
