import { Readable } from "node:stream";
import { api, type AuditVerificationLine, formatAuditCsv } from "@wharf/contract";
import { formatExportLine } from "@wharf/contract/audit";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Scope } from "../../access/index.ts";
import { type AuditLog, type AuditReader, type EntryQuery, parseAnchor, presentEntry } from "../../audit/index.ts";
import { registerRoute } from "../http/register-route.ts";
import { describeSender } from "../http/request-sender.ts";

export interface AuditModules {
  readonly audit: AuditLog;
  readonly auditReader: AuditReader;
}

/** Routes of the audit log. */
export function serveAuditRoutes(app: FastifyInstance, { audit, auditReader }: AuditModules): void {
  registerRoute(app, api.listAuditEntries, ({ query, scope }) =>
    auditReader.list({ ...query, ...limitToOrganization(scope) }),
  );
  registerRoute(app, api.exportAudit, async ({ query, scope }, reply) => {
    sendChunks(reply, "audit.ndjson", exportLines(auditReader, { ...query, ...limitToOrganization(scope) }));
  });
  registerRoute(app, api.exportAuditCsv, async ({ query, scope }, reply) => {
    sendChunks(reply, "audit.csv", exportCsv(auditReader, { ...query, ...limitToOrganization(scope) }));
  });
  registerRoute(app, api.verifyAudit, async ({ query }, reply) => {
    const anchor = parseAnchor(query.anchor_sequence, query.anchor_hash);
    void reply.type("application/x-ndjson").send(Readable.from(formatLines(auditReader.verify(anchor))));
  });
  registerRoute(app, api.pruneAudit, ({ query }, { request }) => {
    const sender = describeSender(request);
    return audit.prune(query.before, { ...sender, action: "pruneAudit", result: "ok" });
  });
}

/** Operators see the whole log, and admins that of their organisation. */
const limitToOrganization = ({ is_operator, organization_id }: Scope): Pick<EntryQuery, "organization_id"> =>
  is_operator ? {} : { organization_id };

async function* exportLines(reader: AuditReader, query: EntryQuery): AsyncGenerator<string, void, undefined> {
  for await (const page of reader.export(query)) yield page.map(formatExportLine).join("");
}

async function* exportCsv(reader: AuditReader, query: EntryQuery): AsyncGenerator<string, void, undefined> {
  yield formatAuditCsv([], { hasHeader: true });
  for await (const page of reader.export(query)) yield formatAuditCsv(page.map(presentEntry));
}

async function* formatLines(lines: AsyncIterable<AuditVerificationLine>): AsyncGenerator<string, void, undefined> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`;
}

function sendChunks(reply: FastifyReply, filename: string, chunks: AsyncIterable<string>): void {
  const type = filename.endsWith(".csv") ? "text/csv; charset=utf-8" : "application/x-ndjson";
  void reply.type(type).header("content-disposition", `attachment; filename="${filename}"`).send(Readable.from(chunks));
}
