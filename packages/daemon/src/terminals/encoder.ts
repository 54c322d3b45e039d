import { emptyFrame, createEntryHeader, createEventFrame, FrameKind, type TerminalEvent } from "@wharf/contract";
import { getDataSpan, type RingEntry, type RingPiece } from "../ring/index.ts";
import { toTerminalEntry, getTypeNumber } from "./terminal-entry.ts";

/** Encodes a viewer's stream. */
export interface Encoder {
  readonly contentType: string;
  /** Shows the viewer that the daemon is alive. */
  readonly keepAlive: Uint8Array;
  encodeEvent(event: TerminalEvent): Buffer;
  encodePiece(piece: RingPiece): Buffer[];
}

/** Caches the lines of entries in memory, so that each line is encoded once for many viewers. */
const lineCache = new WeakMap<RingEntry, Buffer>();

function getLine(entry: RingEntry): Buffer {
  const cachedLine = lineCache.get(entry);
  if (cachedLine) return cachedLine;
  const line = ndjson.encodeEvent(toTerminalEntry(entry));
  lineCache.set(entry, line);
  return line;
}

export const ndjson: Encoder = {
  contentType: "application/x-ndjson",
  keepAlive: Buffer.from("\n"),
  encodeEvent: (event) => Buffer.from(`${JSON.stringify(event)}\n`),
  encodePiece: (piece) => ["gap" in piece ? ndjson.encodeEvent({ type: "gap", ...piece.gap }) : getLine(piece.entry)],
};

const kinds = new Map<number, 1 | 2>([
  [getTypeNumber("stdout"), FrameKind.stdout],
  [getTypeNumber("stderr"), FrameKind.stderr],
]);

const frames: Encoder = {
  contentType: "application/vnd.wharf.terminal",
  keepAlive: emptyFrame,
  encodeEvent: createEventFrame,
  encodePiece(piece) {
    if ("gap" in piece) return [createEventFrame({ type: "gap", ...piece.gap })];
    const { entry } = piece;
    const kind = kinds.get(entry.type);
    if (kind === undefined || entry.data.length !== getDataSpan(entry.data))
      return [createEventFrame(toTerminalEntry(entry))];
    const { offset, time, data } = entry;
    return [createEntryHeader({ kind, offset, time, bytes: data.length }), data];
  },
};

export const encoders = { ndjson, frames } as const;
