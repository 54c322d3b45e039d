import type { CredentialUse } from "../backends/index.ts";
import type { RunDeps } from "./deps.ts";
import type { RunLease } from "./lease.ts";
import { appendNotice } from "./notices.ts";

/**
 * Every use of the host's credentials is in the task's log and in the server's, by name: what was given away, and what
 * should have been and was not there.
 */
export async function logCredentialUse(
  { log, logger }: Pick<RunDeps, "log" | "logger">,
  lease: RunLease,
  use: CredentialUse & { readonly agent_type: string; readonly runner_id: string },
): Promise<void> {
  await appendNotice(log, lease, formatCredentialUse(use));
  // Whatever is logged else: who keeps only warnings wants to know of this.
  logger.warn(
    { task_id: lease.task_id, run_id: lease.run_id, ...use },
    "a runner was given credentials of this machine",
  );
}

function formatCredentialUse({
  given: grantedNames,
  missing: missingNames,
  agent_type,
}: CredentialUse & { readonly agent_type: string }): string {
  const what = grantedNames.length === 0 ? "none" : grantedNames.join(", ");
  const lacks = missingNames.length === 0 ? "" : ` Not given: ${missingNames.join(", ")}.`;
  return `HOST CREDENTIALS: the agent '${agent_type}' may read of the server's machine: ${what}.${lacks}`;
}
