import type { watchApi } from "@wharf/contract";
import type { Watcher } from "../watch/index.ts";
import type { HandlersOf } from "./handlers-of.ts";

export const watchHandlers = (watcher: Watcher): HandlersOf<typeof watchApi> => ({
  watcherPause: () => watcher.pause(),
  watcherResume: () => watcher.resume(),
  watcherStatus: () => watcher.status(),
});
