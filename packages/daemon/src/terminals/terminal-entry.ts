import { EntryType, SystemNotice, type TerminalEntry, type TerminalGap } from "@wharf/contract";
import { z } from "zod";
import { getEntryEnd, type RingEntry, type RingPiece } from "../ring/index.ts";

/**
 * This file converts entries of a terminal's history between their form in the ring and events for
 * viewers.
 */

/** A ring stores this as the data of a `system` entry. */
const Notice = z.object({
  text: z.string(),
  notice: SystemNotice,
  cols: z.number().optional(),
  rows: z.number().optional(),
});
export type NoticeData = z.infer<typeof Notice>;

const types = EntryType.options;
/** The number is stored on disk, so append new types at the end. */
export const getTypeNumber = (type: EntryType): number => types.indexOf(type);

export const encodeNotice = (notice: NoticeData): Buffer => Buffer.from(JSON.stringify(notice));

export function toTerminalEntry(entry: RingEntry): TerminalEntry {
  const { offset, time } = entry;
  const type = types[entry.type] ?? "system";
  const text = entry.data.toString();
  const base = { type, offset, next: getEntryEnd(entry), timestamp: new Date(time).toISOString() };
  if (type !== "system") return { ...base, data: text };
  const { text: data, ...notice } = parseNotice(text) ?? { text };
  return { ...base, data, ...notice };
}

/** Returns undefined if the entry was read from its middle. */
function parseNotice(text: string): NoticeData | undefined {
  try {
    return Notice.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export const toTerminalPiece = (piece: RingPiece): TerminalEntry | TerminalGap =>
  "gap" in piece ? { type: "gap", ...piece.gap } : toTerminalEntry(piece.entry);
