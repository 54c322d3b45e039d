import type { Readable } from "node:stream";
import { type FileStats, runnerApi } from "@wharf/contract";
import type { Client } from "../server/client.ts";
import { requestStream, type StreamedAnswer } from "./request.ts";

export interface FileUpload {
  readonly upload: Readable;
  /** Holds the length in bytes, if it is known. */
  readonly length?: number | undefined;
}

/** The files of a runner or of a workspace, as a copy uses them. */
export interface RemoteFiles {
  /** Precedes the paths that are shown. */
  readonly id: string;
  getStats(path: string): Promise<FileStats>;
  download(path: string): Promise<StreamedAnswer>;
  upload(file: { readonly path: string; readonly mode: number }, content: FileUpload): Promise<StreamedAnswer>;
  packFolder(path: string): Promise<StreamedAnswer>;
  unpackFolder(path: string, content: FileUpload): Promise<StreamedAnswer>;
}

export function createRunnerFiles(client: Client, id: string, signal: AbortSignal): RemoteFiles {
  const { locate } = client;
  const params = { runner_id: id };
  const check = () => client.call(runnerApi.runnerLogs, { params, query: { limit: 1 } }, { signal });
  return {
    id,
    getStats: (path) => client.call(runnerApi.statRunnerFile, { params, query: { path } }, { signal }),
    download: (path) => requestStream(locate, runnerApi.downloadRunnerFile, { params, query: { path } }, { signal }),
    upload: (query, content) =>
      requestStream(locate, runnerApi.uploadRunnerFile, { params, query }, { signal, check, ...content }),
    packFolder: (path) => requestStream(locate, runnerApi.packRunnerFolder, { params, query: { path } }, { signal }),
    unpackFolder: (path, content) =>
      requestStream(locate, runnerApi.unpackRunnerFolder, { params, query: { path } }, { signal, check, ...content }),
  };
}
