import type { IncomingMessage } from "node:http";
import type { Caller } from "../../access/index.ts";
import type { AuditRecord } from "../../audit/index.ts";
import type { Peers } from "./peers.ts";

/** Describes for the audit log who sends a request, and from where. */
export function describeSender(
  message: IncomingMessage,
  { caller, peers }: { caller: Caller | undefined; peers?: Pick<Peers, "findForwardedAddress"> | undefined },
): Pick<AuditRecord, "organization_id" | "actor" | "address" | "user_agent"> {
  const { headers, socket } = message;
  const userAgent = headers["user-agent"];
  return {
    ...(caller && { organization_id: caller.organization_id }),
    actor: caller ? { kind: "user", id: caller.user_id, token_id: caller.token_id } : { kind: "anonymous" },
    // A request over the data folder's socket has no address.
    address: peers?.findForwardedAddress(message) ?? socket.remoteAddress ?? "local",
    ...(userAgent !== undefined && { user_agent: userAgent }),
  };
}
