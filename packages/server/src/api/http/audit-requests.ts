import type { Socket } from "node:net";
import { Problem } from "@wharf/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { AuditLog, AuditRecord } from "../../audit/index.ts";
import { parseJson } from "../../std/json.ts";
import { type AuditedOperation, findOperation, getCreatedTarget, getDetails, getTarget } from "./audited-operation.ts";
import { describeSender } from "./request-sender.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** What the request acts on, with its full id. */
    auditTarget?: AuditRecord["target"];
    /** How far the entry of this request is. */
    auditState: "none" | "allowed" | "recorded";
  }
}

/** Statuses of requests that were refused because of their sender. */
const deniedStatuses: ReadonlySet<number> = new Set([401, 403, 429]);
export const isDenied = (status: number): boolean => deniedStatuses.has(status);

export interface AuditOptions {
  readonly audit: Pick<AuditLog, "count" | "record" | "requireRoom">;
  /** Whether another server of the installation has forwarded a request and records it. */
  readonly isRecordedElsewhere: (request: FastifyRequest) => boolean;
  /** Returns the full form of a shortened id, if it belongs to the organisation. */
  readonly findFullId: (kind: string, id: string, organizationId: string) => Promise<string>;
}

/**
 * Records the requests of all routes:
 *
 *   denied, or policy "counted" ──► counted, and the answer is sent
 *   allowed ── room in the log? ── policy "begun": recorded ── handler ── recorded ──► answer
 *
 * The answer of an act waits until its entry is in the database. Acts outside the database are
 * recorded before they begin, and again when their answer has ended.
 */
export function auditRequests(app: FastifyInstance, { audit, isRecordedElsewhere, findFullId }: AuditOptions): void {
  app.addHook("onRequest", async (request) => {
    request.auditState = "none";
  });

  app.addHook("preHandler", async (request) => {
    const operation = findOperation(request);
    if (operation.policy === "denied" || isRecordedElsewhere(request)) return;
    if (operation.policy !== "counted") audit.requireRoom();
    const target = getTarget(request.params);
    const organizationId = request.caller?.organization_id;
    if (target?.id !== undefined && organizationId !== undefined)
      request.auditTarget = { ...target, id: await findFullId(target.kind, target.id, organizationId) };
    if (operation.policy === "begun") await audit.record(createRecord(request, operation, "begun"));
    request.auditState = "allowed";
  });

  app.addHook("onSend", async (request, reply, payload) => {
    const operation = findOperation(request);
    if (isDenied(reply.statusCode)) {
      if (request.auditState === "recorded" || isRecordedElsewhere(request)) return;
      request.auditState = "recorded";
      return audit.count({ ...createRecord(request, operation, "denied"), ...readError(reply, payload) });
    }
    if (request.auditState !== "allowed" || operation.policy === "begun") return;
    request.auditState = "recorded";
    if (operation.policy === "counted")
      return audit.count(createRecord(request, operation, reply.statusCode < 400 ? "ok" : "failed"));
    await recordOutcome(request, reply, payload);
  });

  app.addHook("onResponse", async (request, reply) => {
    const bytes = countBytes(request.socket);
    const operation = findOperation(request);
    if (request.auditState !== "allowed" || operation.policy !== "begun") return;
    request.auditState = "recorded";
    const record = createRecord(request, operation, reply.statusCode < 400 ? "ok" : "failed");
    const outcome = { status: reply.statusCode, ...bytes, complete: reply.raw.writableFinished };
    // The answer has been sent; if this fails, the log of the server contains the entry.
    await audit.record({ ...record, details: { ...record.details, ...outcome } }).catch(() => undefined);
  });

  async function recordOutcome(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<void> {
    const operation = findOperation(request);
    if (reply.statusCode >= 400) {
      const failed = { ...createRecord(request, operation, "failed"), ...readError(reply, payload) };
      // The error of the act is the better answer; the entry is written when the database is back.
      return audit.record(failed).catch(() => undefined);
    }
    const record = createRecord(request, operation, "ok");
    const created = reply.statusCode === 201 ? getCreatedTarget(operation.path, payload) : undefined;
    if (!created) return audit.record(record);
    const parent = record.target?.id === undefined ? {} : { [record.target.kind]: record.target.id };
    await audit.record({ ...record, target: created, details: { ...parent, ...record.details } });
  }
}

/** What a connection had carried when its last request ended. */
const carriedBytes = new WeakMap<Socket, { readonly received: number; readonly sent: number }>();

/** Returns what a connection carried for the request that ends now, with its framing. */
function countBytes(socket: Socket): { bytes_received: number; bytes_sent: number } {
  const before = carriedBytes.get(socket) ?? { received: 0, sent: 0 };
  const { bytesRead: received, bytesWritten: sent } = socket;
  carriedBytes.set(socket, { received, sent });
  return { bytes_received: received - before.received, bytes_sent: sent - before.sent };
}

function createRecord(
  request: FastifyRequest,
  { action, policy }: AuditedOperation,
  result: AuditRecord["result"],
): AuditRecord {
  const target = request.auditTarget ?? getTarget(request.params);
  const { params, query, body, routeOptions } = request;
  // The address of a page may have a secret, such as the state of a login at a provider.
  const isPage = routeOptions.config.auditAs !== undefined;
  const details = policy === "denied" ? {} : getDetails({ params, query: isPage ? undefined : query, body });
  return {
    ...describeSender(request),
    action,
    ...(target && { target }),
    result,
    ...(Object.keys(details).length > 0 && { details }),
  };
}

/** Reads the code of an error from its answer; that of another server is a stream. */
function readError(reply: FastifyReply, payload: unknown): { error?: string } {
  if (typeof payload !== "string") return { error: String(reply.statusCode) };
  const problem = Problem.safeParse(parseJson(payload)).data;
  return { error: problem?.code ?? String(reply.statusCode) };
}
