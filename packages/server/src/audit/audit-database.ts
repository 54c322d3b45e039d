import type { Pool } from "pg";

/** The connections of the audit log, which no request or loop may exhaust. */
export type AuditDatabase = Pick<Pool, "query">;
