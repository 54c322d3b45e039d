import type { Catalogue } from "./catalogue-entry.ts";
import { formatBytes } from "./format-bytes.ts";

export interface JournalErrors {
  journal_full: { bytes: number };
  journal_epoch_changed: { current: string; requested: string };
  journal_record_not_found: { seq: number };
  journal_record_not_written: { seq: number; last: number };
}

/** Errors of a runner's journal, which only the server reads. */
export const journalErrors: Catalogue<JournalErrors> = {
  journal_full: {
    http: 507,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ bytes }) => `The runner's journal has reached its limit of ${formatBytes(bytes)} of unread records.`,
    next: () => "Check that the server is running: the agent waits until the server has read the journal.",
  },
  journal_epoch_changed: {
    http: 409,
    grpc: "ABORTED",
    message: ({ current, requested }) => `The runner's journal has the epoch ${current}, not ${requested}.`,
    next: () => "The runner lost its disk and started a new journal: read it from the beginning.",
  },
  journal_record_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ seq }) => `The runner's journal no longer has record ${seq}.`,
    next: () => "The record was acknowledged and deleted: continue with the journal's first record.",
  },
  journal_record_not_written: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ seq, last }) => `The runner's journal ends at record ${last}, before record ${seq}.`,
    next: () => "Read the journal's state, and continue from a record that exists.",
  },
};
