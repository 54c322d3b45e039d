import { z } from "zod";
import { FileStats, FolderList, FolderPage, rawFilesApi } from "../daemon/files.ts";
import { aliasEndpoint, createEndpoint } from "../endpoint.ts";
import { runnerParams } from "./ids.ts";

const runner = "/api/v1/runners/:runner_id";
const path = z.string().max(4_096);

/** Files and folders in a runner; the runner's daemon answers them. */
export const runnerFilesApi = {
  listRunnerFiles: createEndpoint({
    method: "GET",
    path: `${runner}/files`,
    summary: "List a folder, page by page",
    params: runnerParams,
    query: FolderList.omit({ limit: true }).extend({
      limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
    }),
    response: FolderPage,
  }),
  statRunnerFile: createEndpoint({
    method: "GET",
    path: `${runner}/files/stats`,
    summary: "Get the type, size and times of a path. Links are followed",
    params: runnerParams,
    query: z.object({ path }),
    response: FileStats,
  }),
  downloadRunnerFile: aliasEndpoint(rawFilesApi.download, { path: `${runner}/files/content`, params: runnerParams }),
  uploadRunnerFile: aliasEndpoint(rawFilesApi.upload, {
    path: `${runner}/files/content`,
    params: runnerParams,
    query: z.object({ path, mode: z.coerce.number().int().min(0).max(0o777).optional() }),
  }),
  packRunnerFolder: aliasEndpoint(rawFilesApi.packFolder, { path: `${runner}/files/archive`, params: runnerParams }),
  unpackRunnerFolder: aliasEndpoint(rawFilesApi.unpackFolder, {
    path: `${runner}/files/archive`,
    params: runnerParams,
  }),
} as const;
