/**
 * Tar archives as streams: headers to write, entries to read. This module does not access folders.
 */
export { blockBytes, packHeader, createPadding, type TarEntry } from "./header.ts";
export { readTar, type TarItem } from "./reader.ts";
