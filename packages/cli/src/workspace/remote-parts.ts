import type { RemoteCommands } from "../runner/remote-commands.ts";
import { inputTimeoutMs } from "../runner/remote-commands.ts";
import type { RemoteFiles } from "../runner/remote-files.ts";
import type { Workspace } from "./workspace.ts";

/** Returns the files of a workspace, as a copy uses them. */
export function createWorkspaceFiles(workspace: Workspace): RemoteFiles {
  const { routes } = workspace;
  return {
    id: workspace.id.slice(0, 8),
    getStats: (path) => workspace.call(routes.fileStats, { body: { path } }),
    download: (path) => workspace.stream(routes.download, { query: { path } }),
    upload: (query, content) => workspace.stream(routes.upload, { query }, content),
    packFolder: (path) => workspace.stream(routes.packFolder, { query: { path } }),
    unpackFolder: (path, content) => workspace.stream(routes.unpackFolder, { query: { path } }, content),
  };
}

/** Returns the commands of a workspace. */
export function createWorkspaceCommands(workspace: Workspace): RemoteCommands {
  const { routes } = workspace;
  return {
    id: workspace.id,
    start: (body, signal) => workspace.stream(routes.exec, { body }, { signal }),
    interrupt: (commandId, signal) =>
      workspace.call(routes.killCommand, { params: { command_id: commandId }, body: { signal: "SIGINT" } }, { signal }),
    sendInput: (commandId, body, signal) =>
      workspace.call(
        routes.writeCommand,
        { params: { command_id: commandId }, body },
        { signal, timeoutMs: inputTimeoutMs },
      ),
  };
}
