import { z } from "zod";
import { FileStats, FolderList, FolderPage, rawFilesApi } from "../daemon/files.ts";
import { aliasEndpoint, createEndpoint } from "../endpoint.ts";
import { runnerParams } from "./ids.ts";

const runner = "/api/v1/runners/:runner_id";
const path = z.string().max(4_096);

/** Files and folders in a runner; the runner's daemon answers them. */
export const runnerFilesApi = {
  listRunnerFiles: createEndpoint({
    needs: "runner:use",
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
    needs: "runner:use",
    method: "GET",
    path: `${runner}/files/stats`,
    summary: "Get the type, size and times of a path. Links are followed",
    params: runnerParams,
    query: z.object({ path }),
    response: FileStats,
  }),
  downloadRunnerFile: aliasEndpoint(rawFilesApi.download, {
    needs: "runner:use",
    path: `${runner}/files/content`,
    params: runnerParams,
    audit: "begun",
  }),
  uploadRunnerFile: aliasEndpoint(rawFilesApi.upload, {
    ifMatch: "file",
    needs: "runner:use",
    path: `${runner}/files/content`,
    params: runnerParams,
    query: z.object({ path, mode: z.coerce.number().int().min(0).max(0o777).optional() }),
    audit: "begun",
  }),
  packRunnerFolder: aliasEndpoint(rawFilesApi.packFolder, {
    needs: "runner:use",
    path: `${runner}/files/archive`,
    params: runnerParams,
    audit: "begun",
  }),
  unpackRunnerFolder: aliasEndpoint(rawFilesApi.unpackFolder, {
    ifMatch: "unsupported",
    needs: "runner:use",
    path: `${runner}/files/archive`,
    params: runnerParams,
    audit: "begun",
  }),
} as const;
