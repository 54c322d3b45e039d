/**
 * A ring keeps output up to a limit on disk, under absolute offsets, for any number of readers.
 * Commands and terminals keep their output in rings.
 */
export { Ring } from "./ring.ts";
export type { RingCursor, RingPiece } from "./cursor.ts";
export { getEntryEnd, getDataSpan } from "./ring-entry.ts";
export type { RingEntry } from "./ring-entry.ts";
export { Utf8Splitter } from "./utf8-splitter.ts";
