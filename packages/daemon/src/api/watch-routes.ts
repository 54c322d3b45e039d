import type { watchApi } from "@wharf/contract";
import type { Watcher } from "../watch/index.ts";
import type { RouteHandlers } from "./route-handlers.ts";

export const createWatchHandlers = (watcher: Watcher): RouteHandlers<typeof watchApi> => ({
  watcherPause: () => watcher.pause(),
  watcherResume: () => watcher.resume(),
  watcherStatus: () => watcher.getStatus(),
  watchChanges: (_input, signal) => watcher.follow(signal),
});
