import { spanOf, type RingEntry, type RingPiece } from "../ring/index.ts";
import { emptyFrame, entryHeader, eventFrame, FrameKind, type TerminalEvent } from "@wharf/contract";
import { entryOf, numberOf } from "./entry.ts";

/** How a viewer's stream is written. */
export interface Encoder {
  readonly contentType: string;
  /** What says that the daemon is there. */
  readonly life: Uint8Array;
  event(event: TerminalEvent): Buffer;
  piece(piece: RingPiece): Buffer[];
}

/** Of entries in memory: many look on, and each line is written once. */
const lines = new WeakMap<RingEntry, Buffer>();

function lineOfEntry(entry: RingEntry): Buffer {
  const known = lines.get(entry);
  if (known) return known;
  const line = ndjson.event(entryOf(entry));
  lines.set(entry, line);
  return line;
}

export const ndjson: Encoder = {
  contentType: "application/x-ndjson",
  life: Buffer.from("\n"),
  event: (event) => Buffer.from(`${JSON.stringify(event)}\n`),
  piece: (piece) => ["gap" in piece ? ndjson.event({ type: "gap", ...piece.gap }) : lineOfEntry(piece.entry)],
};

const DATA = Buffer.from("data: ");
const END = Buffer.from("\n");

const sse: Encoder = {
  contentType: "text/event-stream",
  life: Buffer.from(":\n\n"),
  event: (event) => Buffer.concat([DATA, ndjson.event(event), END]),
  piece: (piece) => [DATA, ...ndjson.piece(piece), END],
};

const kinds = new Map<number, 1 | 2>([
  [numberOf("stdout"), FrameKind.stdout],
  [numberOf("stderr"), FrameKind.stderr],
]);

const frames: Encoder = {
  contentType: "application/vnd.wharf.terminal",
  life: emptyFrame,
  event: eventFrame,
  piece(piece) {
    if ("gap" in piece) return [eventFrame({ type: "gap", ...piece.gap })];
    const { entry } = piece;
    const kind = kinds.get(entry.type);
    if (kind === undefined || entry.data.length !== spanOf(entry.data)) return [eventFrame(entryOf(entry))];
    const { offset, time, data } = entry;
    return [entryHeader({ kind, offset, time, bytes: data.length }), data];
  },
};

export const encoders = { ndjson, sse, frames } as const;
