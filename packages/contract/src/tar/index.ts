/** Tar archives as streams: headers to write, entries to read. Knows nothing of folders. */
export { blockBytes, packHeader, createPadding, type TarEntry } from "./header.ts";
export { readTar, type TarItem } from "./reader.ts";
