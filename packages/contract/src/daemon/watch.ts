import { z } from "zod";
import { createDaemonEndpoint } from "../endpoint.ts";
import { FsChanges } from "../events/index.ts";

/** The watcher, which reports changes of the workspace in the journal. */

export const WatcherStatus = z.object({
  status: z.enum(["stopped", "starting", "watching", "paused"]),
  directories: z.number(),
  files: z.number(),
  /** Number of changes reported since the start. */
  reported: z.number(),
  overflows: z.number(),
  rescans: z.number(),
  /**
   * Directories that the system refused to watch; their changes appear only after the next rescan.
   */
  unwatched: z.number(),
  /** Why the watcher does not run, or covers only part of the workspace. */
  problem: z.string().optional(),
});
export type WatcherStatus = z.infer<typeof WatcherStatus>;

export const watchApi = {
  watcherPause: createDaemonEndpoint({
    method: "POST",
    path: "/watcher/pause",
    summary: "Report no changes until resumed",
    response: WatcherStatus,
  }),
  watcherResume: createDaemonEndpoint({
    method: "POST",
    path: "/watcher/resume",
    summary: "Report changes again, starting with a rescan",
    response: WatcherStatus,
  }),
  watcherStatus: createDaemonEndpoint({
    method: "GET",
    path: "/watcher/status",
    summary: "Get the watcher's status",
    response: WatcherStatus,
  }),
  watchChanges: createDaemonEndpoint({
    method: "GET",
    path: "/watcher/stream",
    summary: "Stream changes of the workspace's files from now on, as NDJSON of FsChanges",
    response: "stream",
    line: FsChanges,
    hasEvents: true,
  }),
} as const;
