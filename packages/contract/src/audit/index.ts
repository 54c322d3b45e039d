/** The chain of the audit log, which servers and clients check alike. */
export { computeAuditHash, emptyHash, type HashedEntry } from "./audit-hash.ts";
export { ChainCheck } from "./chain-check.ts";
export { formatExportLine, parseExportLine } from "./export-line.ts";
