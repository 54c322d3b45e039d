import type {
  execApi,
  filesApi,
  gitApi,
  rawFilesApi,
  searchApi,
  terminalStreams,
  terminalsApi,
  watchApi,
} from "@wharf/contract";
import { again, type RoutePolicy } from "./route-policy.ts";

/** The policies of what people and programs do in a workspace, beside what a run needs of it. */

const look = "It is not known whether it was done: look before you do it again.";
const pushed = "What was pushed can be read without the runner; the rest when it is back.";
const kept = "Its output is kept in the runner: follow it on from where you were when the runner is back.";
const screen = "The terminal goes on in the runner, and its history is there when the runner is back.";

/** Asking changes nothing. */
const reads = (next: string): RoutePolicy => ({ retry: "always", away: "refuse", next });
/** Like `reads`, where an old answer is better than none, and small enough to be kept. */
const remembers = (next: string): RoutePolicy => ({ retry: "always", away: "last_known", next });
/** Done twice it is as done once; the daemon's no is final. */
const repeats = (next: string): RoutePolicy => ({ retry: "unanswered", away: "refuse", next });
const once = (next: string): RoutePolicy => ({ retry: "never", away: "refuse", next });

type Policies<Api> = Readonly<Record<keyof Api, RoutePolicy>>;

const files: Policies<typeof filesApi & typeof rawFilesApi> = {
  readFile: reads(pushed),
  fileStats: remembers(pushed),
  listFolder: remembers(pushed),
  listTree: reads(pushed),
  download: reads(pushed),
  packFolder: reads(pushed),
  writeFile: once(look),
  deletePath: once(look),
  replaceText: once(look),
  upload: once(look),
  unpackFolder: once(look),
};

const search: Policies<typeof searchApi> = { searchNames: reads(again), searchContents: reads(again) };

const exec: Policies<typeof execApi> = {
  exec: once(look),
  execOnce: once(look),
  // The caller chooses no id here that would make it safe to ask twice.
  startCommand: once(look),
  commands: remembers(kept),
  command: remembers(kept),
  followCommand: reads(kept),
  writeCommand: once(look),
  killCommand: repeats(again),
  removeCommand: once(again),
};

const terminals: Policies<typeof terminalsApi & typeof terminalStreams> = {
  createTerminal: once(look),
  terminals: remembers(screen),
  terminal: remembers(screen),
  typeTerminal: once(look),
  resizeTerminal: repeats(again),
  ackTerminal: repeats(again),
  killTerminal: repeats(again),
  removeTerminal: once(again),
  terminalHistory: reads(screen),
  terminalStats: remembers(screen),
  clearTerminal: once(again),
  stream: reads(screen),
  watch: reads(screen),
  attach: once(screen),
};

const git: Policies<typeof gitApi> = {
  gitClone: repeats(again),
  gitConfig: repeats(again),
  gitBranch: repeats(again),
  gitStatus: remembers(pushed),
  gitDiff: reads(pushed),
  gitDiffAgainstBase: reads(pushed),
  gitFileChanges: remembers(pushed),
  gitCommit: once(look),
  gitPush: repeats("The commit is in the workspace and is pushed when the runner is back."),
  gitLog: remembers(pushed),
  gitCommitMessages: remembers(pushed),
  gitCheckout: once(look),
  gitCurrentBranch: remembers(pushed),
  gitCurrentCommit: remembers(pushed),
};

const watch: Policies<typeof watchApi> = {
  watcherPause: repeats(again),
  watcherResume: repeats(again),
  watcherStatus: remembers(again),
};

export const toolPolicies = { ...files, ...search, ...exec, ...terminals, ...git, ...watch };
