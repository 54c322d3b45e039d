/**
 * The watcher reports changes to the workspace's files: in batches, without ignored paths, and not
 * while git itself is changing the files.
 */
export { Watcher, type WatcherOptions } from "./watcher.ts";
