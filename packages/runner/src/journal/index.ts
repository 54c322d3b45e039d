/**
 * The journal: what happens in a runner is written here before anyone is told. Append-only segments on disk, fsynced in
 * groups, read by cursor, acknowledged by the reader and then trimmed.
 */
export { openJournal, type Journal, type JournalEntry } from "./journal.ts";
