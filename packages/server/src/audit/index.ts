/** The audit log: who did what and who was refused, in a chain that shows changes. */
export { AuditLog } from "./audit-log.ts";
export { AuditReader, parseAnchor } from "./audit-reader.ts";
export type { AuditRecord } from "./audit-record.ts";
export { type EntryQuery, presentEntry } from "./find-entries.ts";
