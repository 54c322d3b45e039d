import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { createFieldsQuery, pageEnd, pageQuery } from "./paging.ts";

export const AuditActorKind = z.enum(["user", "token", "service", "agent", "runner", "server", "anonymous"]);
export type AuditActorKind = z.infer<typeof AuditActorKind>;
export const AuditResult = z.enum(["begun", "ok", "denied", "failed"]);
export type AuditResult = z.infer<typeof AuditResult>;

const name = z.string().min(1).max(200);
/** The named thing: ids stay when it is deleted. */
const reference = { id: z.string().optional(), name: z.string().optional() };

/** Values of an entry: short, without secrets, and not nested. */
export const AuditDetails = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
export type AuditDetails = z.infer<typeof AuditDetails>;

export const AuditContent = z.object({
  organization_id: z.uuid().optional(),
  actor: z.object({
    kind: AuditActorKind,
    ...reference,
    token_id: z.string().optional().describe("the access token that proved a user"),
  }),
  action: z.string().describe("the name of the route (`operationId`), or of another act"),
  target: z.object({ kind: z.string(), ...reference }).optional(),
  result: AuditResult,
  error: z.string().optional().describe("the code of the error"),
  address: z.string().optional().describe("the address from which the request came"),
  user_agent: z.string().optional(),
  server_id: z.string().optional().describe("the server that recorded it"),
  details: AuditDetails.optional(),
});
export type AuditContent = z.infer<typeof AuditContent>;

export const AuditEntry = z.object({
  sequence: z.number(),
  at: z.string(),
  ...AuditContent.shape,
  hash: z.string(),
});
export type AuditEntry = z.infer<typeof AuditEntry>;

const time = z.iso
  .datetime({ offset: true })
  .refine((text) => Date.parse(text) >= 0, "a time after 1970")
  .optional();

/** Which entries: all given filters apply. */
const filters = {
  actor: name.optional().describe("the id of an actor, or the name of a user"),
  action: name.optional().describe("the name of an act, such as `createTask`"),
  target: name.optional().describe("the id of what was acted on"),
  result: AuditResult.optional(),
  from: time.describe("entries of this time and later"),
  to: time.describe("entries before this time"),
};
export const AuditFilter = z.object(filters);
export type AuditFilter = z.infer<typeof AuditFilter>;

/** Where a chain begins or ends: a copy outside proves later that nothing before it has changed. */
export const AuditAnchor = z.object({ sequence: z.number().int().min(0), hash: z.string().regex(/^[0-9a-f]{64}$/) });
export type AuditAnchor = z.infer<typeof AuditAnchor>;

/** The first difference between the chain and its hashes. */
export const AuditFault = z.object({
  /** `changed`: the entry or its place; `missing`: the entry; `tail`: it and all after it. */
  kind: z.enum(["changed", "missing", "tail", "end", "anchor", "pruned"]),
  sequence: z.number(),
  message: z.string(),
});
export type AuditFault = z.infer<typeof AuditFault>;

export const AuditVerification = z.object({
  intact: z.boolean(),
  /** The number of entries whose hash was computed again. */
  checked: z.number(),
  start: AuditAnchor,
  end: AuditAnchor,
  fault: AuditFault.optional(),
  anchor: z
    .enum(["matches", "differs", "pruned"])
    .optional()
    .describe("`pruned`: entries up to a later one than the anchor were removed"),
});
export type AuditVerification = z.infer<typeof AuditVerification>;

/** Lines of a verification: how far it is, and at the end its outcome. */
export const AuditVerificationLine = z.discriminatedUnion("type", [
  z.object({ type: z.literal("progress"), checked: z.number(), end: z.number() }),
  z.object({ type: z.literal("outcome"), ...AuditVerification.shape }),
]);
export type AuditVerificationLine = z.infer<typeof AuditVerificationLine>;

export const auditApi = {
  listAuditEntries: createEndpoint({
    needs: "audit:read",
    method: "GET",
    path: "/api/v1/audit",
    summary: "List what people and programs did and were refused, the newest first",
    query: z.object({ ...filters, ...createFieldsQuery(AuditEntry), ...pageQuery }),
    items: "entries",
    response: z.object({ entries: z.array(AuditEntry), ...pageEnd }),
  }),
  exportAudit: createEndpoint({
    needs: "audit:read",
    method: "GET",
    path: "/api/v1/audit.ndjson",
    summary: "Export the audit log, the oldest entry first. `wharf audit verify --file` checks a full export",
    query: AuditFilter,
    response: "stream",
    line: AuditEntry,
    audit: "always",
  }),
  exportAuditCsv: createEndpoint({
    needs: "audit:read",
    method: "GET",
    path: "/api/v1/audit.csv",
    summary: "Export the audit log as CSV for spreadsheets, the oldest entry first",
    query: AuditFilter,
    response: "stream",
    responseType: "text/csv; charset=utf-8",
    audit: "always",
  }),
  verifyAudit: createEndpoint({
    needs: "audit:read",
    method: "GET",
    path: "/api/v1/audit/verification",
    summary: "Compute the chain of the audit log again. The last line is the outcome",
    query: z.object({
      anchor_sequence: z.coerce.number().int().min(0).optional().describe("an earlier end of the chain"),
      anchor_hash: AuditAnchor.shape.hash.optional().describe("the hash of that entry"),
    }),
    response: "stream",
    line: AuditVerificationLine,
    audit: "always",
  }),
  pruneAudit: createEndpoint({
    needs: "audit:admin",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/audit",
    summary: "Remove entries from the beginning of the audit log. The chain stays verifiable",
    query: z.object({ before: z.iso.datetime({ offset: true }).describe("removes the entries before this time") }),
    // The entry is written together with the removal.
    audit: "denied",
    response: z.object({ removed: z.number(), start: AuditAnchor }),
  }),
} as const;
