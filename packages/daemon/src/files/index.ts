/**
 * Callers over the wire access the workspace's files here: read, write, stat, delete, list, replace
 * text, send and receive as streams, pack and unpack. Every path is resolved inside the workspace.
 */
export { removeLeftovers } from "./remove-leftovers.ts";
export { copyPath } from "./copy.ts";
export { createFolder } from "./create-folder.ts";
export { deletePath } from "./delete.ts";
export { openDownload } from "./download.ts";
export { listFolder } from "./list.ts";
export { movePath } from "./move.ts";
export { packFolder } from "./pack.ts";
export { readFile } from "./read.ts";
export { replaceText } from "./replace-text.ts";
export { getDefaultFileSettings, type FileSettings } from "./settings.ts";
export { getFileStats } from "./stats.ts";
export { listTree, openTree } from "./tree.ts";
export { unpackFolder } from "./unpack.ts";
export type { TreeEntry } from "./walk.ts";
export { writeFile, writeStream } from "./write.ts";
