import { z } from "zod";
import { endOf, type RingEntry, type RingPiece } from "../ring/index.ts";
import { EntryType, SystemNotice, type TerminalEntry, type TerminalGap } from "@wharf/contract";

/** Entries of a terminal's history as they lie in its ring, and as events for those who look on. */

/** What lies in a ring as the data of a `system` entry. */
const Notice = z.object({
  text: z.string(),
  notice: SystemNotice,
  cols: z.number().optional(),
  rows: z.number().optional(),
});
export type Notice = z.infer<typeof Notice>;

const types = EntryType.options;
/** The number is on disk: a type that is added comes last. */
export const numberOf = (type: EntryType): number => types.indexOf(type);

export const noticeData = (notice: Notice): Buffer => Buffer.from(JSON.stringify(notice));

export function entryOf(entry: RingEntry): TerminalEntry {
  const { offset, time } = entry;
  const type = types[entry.type] ?? "system";
  const text = entry.data.toString();
  const base = { type, offset, next: endOf(entry), timestamp: new Date(time).toISOString() };
  if (type !== "system") return { ...base, data: text };
  const { text: data, ...notice } = noticeOf(text) ?? { text };
  return { ...base, data, ...notice };
}

/** Nothing where the entry was read from its middle on. */
function noticeOf(text: string): Notice | undefined {
  try {
    return Notice.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export const pieceOf = (piece: RingPiece): TerminalEntry | TerminalGap =>
  "gap" in piece ? { type: "gap", ...piece.gap } : entryOf(piece.entry);
