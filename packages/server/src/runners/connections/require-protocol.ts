import { daemonProtocol, type Health, WharfError } from "@wharf/contract";

/** Refuses a daemon whose protocol differs from this server's, such as one from an older image. */
export function requireProtocol({ runner_id, version, protocol }: Health): void {
  if (protocol !== daemonProtocol)
    throw new WharfError("runner_incompatible", { runner_id, version, protocol, needed: daemonProtocol });
}
