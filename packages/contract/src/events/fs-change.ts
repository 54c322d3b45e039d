import { z } from "zod";

/** Changes to the workspace's files, regardless of their cause. */

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
  /** The path is relative to the workspace and uses `/`. */
  path: z.string(),
  timestamp: z.string(),
  is_directory: z.boolean(),
  source: z.enum(["local", "remote"]),
});
export type FsChange = z.infer<typeof FsChange>;

/** Limit on the changes of one event. */
export const maxFsChanges = 1_000;

export const FsChanges = z.object({
  kind: z.literal("fs_change"),
  changes: z.array(FsChange).max(maxFsChanges),
  /** Changes were left out. An event with `rescan` follows once the changes stop. */
  overflow: z.boolean().optional(),
  /** Known state of the tree may be stale: a client must read again the parts that it shows. */
  rescan: z.boolean().optional(),
});
export type FsChanges = z.infer<typeof FsChanges>;
