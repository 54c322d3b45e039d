import type { Event } from "@wharf/contract";
import { getEventText, getEventWeight, getSeparator, isJoinable } from "./event-text.ts";
import type { Weight } from "./words.ts";

/** Texts of events that belong together, such as the chunks of a message. */
export interface LogDocument {
  readonly run_id: string | undefined;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly timestamp: string;
  readonly text: string;
  readonly weight: Weight;
  /** Where the text of each event begins. */
  readonly places: readonly { readonly seq: number; readonly start: number }[];
  /** Whether a later event may be added. */
  readonly isOpen: boolean;
}

/** A document ends at these limits, so that a result names a place and not a book. */
const maxEvents = 64;
const maxTextLength = 4_000;

/** Puts the events of one log, in their order, together to documents. */
export function createDocuments(events: readonly Event[], redact: (text: string) => string): LogDocument[] {
  const documents: LogDocument[] = [];
  let group: Event[] = [];
  const finish = () => {
    const document = createDocument(group, redact);
    if (document) documents.push(document);
    group = [];
  };
  let length = 0;
  for (const event of events) {
    const previous = group.at(-1);
    const isFull = group.length >= maxEvents || length >= maxTextLength;
    if (previous && (isFull || getSeparator(previous, event) === undefined)) {
      finish();
      length = 0;
    }
    group.push(event);
    length += getEventText(event.data).length;
  }
  finish();
  return documents;
}

/** Secrets are removed from the joined text: several events may divide one between them. */
function createDocument(group: readonly Event[], redact: (text: string) => string): LogDocument | undefined {
  const [first] = group;
  const last = group.at(-1);
  if (!first || !last) return undefined;
  const places: { seq: number; start: number }[] = [];
  let text = "";
  for (const [i, event] of group.entries()) {
    const previous = group[i - 1];
    if (previous) text += getSeparator(previous, event) ?? "";
    places.push({ seq: event.seq, start: text.length });
    text += getEventText(event.data);
  }
  if (text.trim() === "") return undefined;
  return {
    run_id: first.agent_id,
    first_seq: first.seq,
    last_seq: last.seq,
    timestamp: first.timestamp,
    text: redact(text),
    weight: getEventWeight(first.data),
    places,
    isOpen: isJoinable(last.data) && group.length < maxEvents && text.length < maxTextLength,
  };
}

/** Returns the event whose text is at a place. */
export const findSeq = ({ places, first_seq }: LogDocument, place: number): number =>
  places.findLast(({ start }) => start <= place)?.seq ?? first_seq;
