/** Tells what happens to the workspace's files: batched, without what git ignores, quiet while git itself is at work. */
export { Watcher, type WatcherOptions } from "./watcher.ts";
