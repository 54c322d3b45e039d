import type { IncomingMessage } from "node:http";
import type { Caller } from "../../access/index.ts";
import type { AuditRecord } from "../../audit/index.ts";

/** Describes for the audit log who sends a request, and from where. */
export function describeSender(
  { socket, headers }: IncomingMessage,
  caller: Caller | undefined,
): Pick<AuditRecord, "organization_id" | "actor" | "address" | "user_agent"> {
  const userAgent = headers["user-agent"];
  return {
    ...(caller && { organization_id: caller.organization_id }),
    actor: caller ? { kind: "user", id: caller.user_id, token_id: caller.token_id } : { kind: "anonymous" },
    // A request over the data folder's socket has no address.
    address: socket.remoteAddress ?? "local",
    ...(userAgent !== undefined && { user_agent: userAgent }),
  };
}
