import { z } from "zod";
import { ArchiveUnpacked, FileStats, FileWritten, FolderList, FolderPage } from "../daemon/files.ts";
import { createEndpoint } from "../endpoint.ts";
import { runnerParams } from "./ids.ts";

const path = z.string().max(4_096);

/** Files and folders in a runner. */
export const runnerFilesApi = {
  listRunnerFiles: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/files",
    summary: "Entries of a folder, by pages",
    params: runnerParams,
    query: FolderList.omit({ limit: true }).extend({
      limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
    }),
    response: FolderPage,
  }),
  statRunnerFile: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/files/stats",
    summary: "What stands at a path; what a link leads to instead of the link",
    params: runnerParams,
    query: z.object({ path }),
    response: FileStats,
  }),
  downloadRunnerFile: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/files/content",
    summary: "A file's bytes; a `Range` header of one range is answered with 206",
    params: runnerParams,
    query: z.object({ path }),
    response: "stream",
  }),
  uploadRunnerFile: createEndpoint({
    method: "PUT",
    path: "/api/v1/runners/:runner_id/files/content",
    summary: "Write a file with the request's body as its bytes; readers see the old or the new one",
    params: runnerParams,
    query: z.object({ path, mode: z.coerce.number().int().min(0).max(0o777).optional() }),
    response: FileWritten,
  }),
  packRunnerFolder: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/files/archive",
    summary: "A folder as a tar stream; links are packed as links",
    params: runnerParams,
    query: z.object({ path: path.default("."), gitignore: z.stringbool().default(false) }),
    response: "stream",
  }),
  unpackRunnerFolder: createEndpoint({
    method: "PUT",
    path: "/api/v1/runners/:runner_id/files/archive",
    summary: "Unpack a tar stream into a folder; no entry is written through a link",
    params: runnerParams,
    query: z.object({ path: path.default(".") }),
    response: ArchiveUnpacked,
  }),
} as const;
