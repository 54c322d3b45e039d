import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";

/** What happens to the workspace's files, whoever does it. */

export const FsChangeType = z.enum([
  "file-created",
  "file-modified",
  "file-deleted",
  "directory-created",
  "directory-deleted",
]);
export type FsChangeType = z.infer<typeof FsChangeType>;

export const FsChange = z.object({
  id: z.string().optional(),
  type: FsChangeType,
  /** Relative to the workspace, with `/`. */
  path: z.string(),
  timestamp: z.string(),
  is_directory: z.boolean(),
  source: z.enum(["local", "remote"]),
});
export type FsChange = z.infer<typeof FsChange>;

/** Most changes that one event carries. */
export const maxFsChanges = 1_000;

export const FsChanges = z.object({
  kind: z.literal("fs_change"),
  changes: z.array(FsChange).max(maxFsChanges),
  /** Changes were left out. An event with `rescan` follows when it is quiet again. */
  overflow: z.boolean().optional(),
  /** What was known of the tree may be stale: read again what you show of it. */
  rescan: z.boolean().optional(),
});
export type FsChanges = z.infer<typeof FsChanges>;

export const WatcherStatus = z.object({
  status: z.enum(["stopped", "starting", "watching", "paused"]),
  directories: z.number(),
  files: z.number(),
  /** Changes that were told of since the start. */
  reported: z.number(),
  overflows: z.number(),
  rescans: z.number(),
  /** Directories that the system would not watch; their changes are only seen at the next rescan. */
  unwatched: z.number(),
  /** Why it does not watch, or not all. */
  problem: z.string().optional(),
});
export type WatcherStatus = z.infer<typeof WatcherStatus>;

export const watchApi = {
  watcherPause: createEndpoint({
    method: "POST",
    path: "/watcher/pause",
    summary: "Tell of no change until resumed",
    response: WatcherStatus,
  }),
  watcherResume: createEndpoint({
    method: "POST",
    path: "/watcher/resume",
    summary: "Tell of changes again, beginning with one rescan",
    response: WatcherStatus,
  }),
  watcherStatus: createEndpoint({
    method: "GET",
    path: "/watcher/status",
    summary: "What the watcher does",
    response: WatcherStatus,
  }),
} as const;
