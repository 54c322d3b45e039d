import { daemonProtocol, type Health, WharfError } from "@wharf/contract";

/** Refuses a daemon that speaks another protocol than this server, as one from an older image does. */
export function requireProtocol({ runner_id, version, protocol }: Health): void {
  if (protocol !== daemonProtocol)
    throw new WharfError("runner_incompatible", { runner_id, version, protocol, needed: daemonProtocol });
}
