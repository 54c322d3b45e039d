import { z } from "zod";
import { CommitSha } from "../bounded-fields.ts";
import { execApi } from "../daemon/exec.ts";
import { filesApi, rawFilesApi } from "../daemon/files.ts";
import { gitApi, GitCommitRequest } from "../daemon/git.ts";
import { healthApi } from "../daemon/health.ts";
import { portsApi } from "../daemon/ports.ts";
import { searchApi } from "../daemon/search.ts";
import { terminalsApi, terminalStreams } from "../daemon/terminals.ts";
import { watchApi } from "../daemon/watch.ts";
import { aliasEndpoint, type AuditPolicy, type Endpoint, type ServerEndpoint } from "../endpoint.ts";
import type { Permission } from "../permissions.ts";
import { runnerParams, taskParams } from "./ids.ts";
import { previewRoutes } from "./previews.ts";
import { TurnChoice } from "./turns.ts";

/** The state of a delivery to the remote: on its way, or there already. */
export const BranchPush = z.object({ branch: z.string(), sha: CommitSha, status: z.enum(["pending", "pushed"]) });
export type BranchPush = z.infer<typeof BranchPush>;

/** `sse` is for clients that cannot send the header `Accept: text/event-stream`. */
const streamFormat = { format: z.enum(["ndjson", "sse", "frames"]).default("ndjson") };

/**
 * The workspace of a task or a runner: its files, git, commands and terminals. The server serves
 * these routes of the daemon below the path of the task and of the runner, and sends each request
 * to the runner's daemon, wherever the runner is. Cloning and the choice of the shadow branch are
 * the run's, so their routes are not listed.
 */
const readRoutes = {
  workspaceHealth: healthApi.health,
  readFile: filesApi.readFile,
  fileStats: filesApi.fileStats,
  listFolder: filesApi.listFolder,
  listTree: filesApi.listTree,
  download: rawFilesApi.download,
  packFolder: rawFilesApi.packFolder,
  ...searchApi,
  watcherStatus: watchApi.watcherStatus,
  gitStatus: gitApi.gitStatus,
  gitDiff: {
    ...gitApi.gitDiff,
    summary: `${gitApi.gitDiff.summary}; or the changes of one turn`,
    /** Only the workspaces of tasks have turns. A turn replaces `base` and `head`. */
    query: gitApi.gitDiff.query.extend({ turn: TurnChoice.optional() }),
  },
  gitDiffAgainstBase: gitApi.gitDiffAgainstBase,
  gitFileChanges: gitApi.gitFileChanges,
  gitLog: gitApi.gitLog,
  gitCommitMessages: gitApi.gitCommitMessages,
  gitCurrentBranch: gitApi.gitCurrentBranch,
  gitCurrentCommit: gitApi.gitCurrentCommit,
  gitShow: gitApi.gitShow,
  gitFile: gitApi.gitFile,
  gitBranches: gitApi.gitBranches,
  watchChanges: watchApi.watchChanges,
  terminals: terminalsApi.terminals,
  terminal: terminalsApi.terminal,
  terminalHistory: terminalsApi.terminalHistory,
  terminalStats: terminalsApi.terminalStats,
  listPorts: portsApi.listPorts,
  streamTerminal: { ...terminalStreams.watch, query: terminalStreams.watch.query.extend(streamFormat) },
  streamConsole: { ...terminalStreams.stream, query: terminalStreams.stream.query.extend(streamFormat) },
} as const satisfies Record<string, Endpoint>;

const writeRoutes = {
  writeFile: filesApi.writeFile,
  deletePath: filesApi.deletePath,
  replaceText: filesApi.replaceText,
  createFolder: filesApi.createFolder,
  movePath: filesApi.movePath,
  copyPath: filesApi.copyPath,
  upload: rawFilesApi.upload,
  unpackFolder: rawFilesApi.unpackFolder,
  watcherPause: watchApi.watcherPause,
  watcherResume: watchApi.watcherResume,
  gitConfig: gitApi.gitConfig,
  gitCheckout: gitApi.gitCheckout,
  gitRestore: gitApi.gitRestore,
  gitCommit: {
    ...gitApi.gitCommit,
    summary: "Commit all changes to the shadow branch and deliver it. The answer has no commit if nothing changed",
    /** The author defaults to the account of the person who sends the request. */
    body: GitCommitRequest.partial({ author_name: true, author_email: true }).default({}),
  },
  gitPush: {
    method: "POST",
    path: gitApi.gitPush.path,
    summary: "Deliver the newest commit of the task's branch to the remote. The task's log shows the result",
    status: 202,
    response: BranchPush,
    errors: ["no_commit"],
  },
} as const satisfies Record<string, Endpoint>;

const execRoutes = {
  ...execApi,
  createTerminal: terminalsApi.createTerminal,
  typeTerminal: terminalsApi.typeTerminal,
  resizeTerminal: terminalsApi.resizeTerminal,
  renameTerminal: terminalsApi.renameTerminal,
  ackTerminal: terminalsApi.ackTerminal,
  killTerminal: terminalsApi.killTerminal,
  removeTerminal: terminalsApi.removeTerminal,
  clearTerminal: terminalsApi.clearTerminal,
  ...previewRoutes,
} as const satisfies Record<string, Endpoint>;

/** The routes of the daemon that are reachable in a workspace, and those of previews. */
export const workspaceRoutes = { ...readRoutes, ...writeRoutes, ...execRoutes } as const;

const getNeed = (name: string): Permission => {
  if (name in execRoutes) return "workspace:exec";
  return name in writeRoutes ? "workspace:write" : "workspace:read";
};

/** Reads that copy the content of files out of a workspace. */
const transferNames: ReadonlySet<string> = new Set(["readFile", "gitFile", "download", "packFolder"]);
/** Input may be confidential, and of any length: the audit log has who sent any. */
const inputNames: ReadonlySet<string> = new Set(["writeCommand", "typeTerminal"]);
/** A terminal's viewer sends these by itself. */
const viewNames: ReadonlySet<string> = new Set(["resizeTerminal", "ackTerminal"]);

/** What happens in a workspace cannot be taken back, so that it is recorded before it begins. */
function getAuditPolicy(name: string, { method }: Endpoint): AuditPolicy {
  if (transferNames.has(name) || name === "streamTerminal") return "begun";
  if (inputNames.has(name)) return "counted";
  return name in readRoutes || viewNames.has(name) || method === "GET" ? "denied" : "begun";
}

type WorkspaceRoutes = typeof workspaceRoutes;
export type WorkspaceRouteName = keyof WorkspaceRoutes;

type ShapeOf<E> = E extends { readonly params: z.ZodObject<infer Shape> } ? Shape : object;
type OwnedEndpoint<E extends Endpoint, S extends z.ZodRawShape> = [keyof S] extends [never]
  ? Omit<E, "path"> & Pick<ServerEndpoint, "path" | "needs">
  : Omit<E, "path" | "params"> &
      Pick<ServerEndpoint, "path" | "needs"> & { readonly params: z.ZodObject<S & ShapeOf<E>> };
export type WorkspaceApi<S extends z.ZodRawShape> = {
  readonly [K in WorkspaceRouteName]: OwnedEndpoint<WorkspaceRoutes[K], S>;
};

/** A path without parameters. */
export type NoParams = Record<never, z.ZodType>;

/**
 * Creates the routes of a workspace below a path, such as `/api/v1/tasks/:task_id/workspace`;
 * `owner` has the parameters of that path.
 */
export function createWorkspaceApi<S extends z.ZodRawShape>(base: string, owner: S): WorkspaceApi<S> {
  const routes = Object.entries<Endpoint>(workspaceRoutes).map(([name, route]) => {
    const shape = { ...owner, ...route.params?.shape };
    const params = Object.keys(shape).length > 0 ? { params: z.object(shape) } : {};
    return [
      name,
      aliasEndpoint(route, {
        needs: getNeed(name),
        audit: getAuditPolicy(name, route),
        ifMatch: name === "upload" ? "file" : "unsupported",
        ...(name === "createPreview" && { idempotency: "once" as const }),
        path: base + route.path.replace(/^\/api\//, "/"),
        ...params,
      }),
    ];
  });
  // The type of an object that is built from entries cannot show their names.
  return Object.fromEntries(routes) as WorkspaceApi<S>;
}

/** The workspace of a task: of the runner of its current run. */
export const taskWorkspaceApi = createWorkspaceApi("/api/v1/tasks/:task_id/workspace", taskParams.shape);
/** The workspace of a runner. */
export const runnerWorkspaceApi = createWorkspaceApi("/api/v1/runners/:runner_id/workspace", runnerParams.shape);

/** All routes of workspaces, by the name of their operation. */
export const workspaceApi: Readonly<Record<string, ServerEndpoint>> = {
  ...nameOperations("task", taskWorkspaceApi),
  ...nameOperations("runner", runnerWorkspaceApi),
};

function nameOperations(
  owner: string,
  routes: Readonly<Record<string, ServerEndpoint>>,
): Record<string, ServerEndpoint> {
  const toName = (name: string) => `${owner}${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return Object.fromEntries(Object.entries(routes).map(([name, route]) => [toName(name), route]));
}
