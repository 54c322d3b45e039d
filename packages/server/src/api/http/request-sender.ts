import type { IncomingHttpHeaders } from "node:http";
import type { Caller } from "../../access/index.ts";
import type { AuditRecord } from "../../audit/index.ts";

export interface RequestSender {
  readonly headers: IncomingHttpHeaders;
  readonly clientAddress: string;
  readonly caller?: Caller | undefined;
}

/** Describes for the audit log who sends a request, and from where. */
export function describeSender({
  headers,
  clientAddress,
  caller,
}: RequestSender): Pick<AuditRecord, "organization_id" | "actor" | "address" | "user_agent"> {
  const userAgent = headers["user-agent"];
  return {
    ...(caller && { organization_id: caller.organization_id }),
    actor: caller
      ? { kind: "user", id: caller.user_id, name: caller.username, token_id: caller.token_id }
      : { kind: "anonymous" },
    address: clientAddress,
    ...(userAgent !== undefined && { user_agent: userAgent }),
  };
}
