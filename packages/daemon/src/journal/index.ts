/**
 * The journal records all events of a runner before they are reported to anyone. It consists of
 * append-only segments on disk, fsynced in groups, read by cursor, acknowledged by the reader and
 * then trimmed.
 */
export { openJournal, type Journal, type JournalEntry } from "./journal.ts";
