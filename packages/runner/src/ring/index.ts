/**
 * Rings: output kept up to a limit on disk, under absolute offsets, for any number of readers. Commands and terminals
 * keep theirs in them.
 */
export { Ring } from "./ring.ts";
export type { RingCursor, RingPiece } from "./cursor.ts";
export { endOf, spanOf } from "./record.ts";
export type { RingEntry } from "./record.ts";
export { Utf8Edge } from "./utf8-edge.ts";
