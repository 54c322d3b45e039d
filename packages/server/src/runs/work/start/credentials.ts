import type { CredentialUse } from "../../../backends/index.ts";
import type { RunDeps } from "../../shared/deps.ts";
import { appendNotice } from "../../shared/notices.ts";
import type { RunLease } from "../../state/lease.ts";

/**
 * Records every use of the host's credentials by name, in the audit log, the task's log and the
 * server's: those provided and those missing.
 */
export async function logCredentialUse(
  { audit, log, logger }: Pick<RunDeps, "audit" | "log" | "logger">,
  lease: RunLease,
  use: CredentialUse & { readonly agent_type: string; readonly runner_id: string },
): Promise<void> {
  const { agent_type, runner_id, given, missing } = use;
  await audit.record({
    actor: { kind: "agent", id: lease.run_id },
    action: "mountHostCredentials",
    target: { kind: "runner", id: runner_id },
    result: "ok",
    details: { task: lease.task_id, agent_type, given: given.join(","), missing: missing.join(",") },
  });
  await appendNotice(log, lease, formatCredentialUse(use));
  // Logged as a warning, so that operators who keep only warnings see it.
  logger.warn({ task_id: lease.task_id, run_id: lease.run_id, ...use }, "gave a runner credentials of this machine");
}

function formatCredentialUse({
  given: grantedNames,
  missing: missingNames,
  agent_type,
}: CredentialUse & { readonly agent_type: string }): string {
  const what = grantedNames.length === 0 ? "none" : grantedNames.join(", ");
  const lacks = missingNames.length === 0 ? "" : ` Not available: ${missingNames.join(", ")}.`;
  return `HOST CREDENTIALS: the agent '${agent_type}' can read these credentials of the server's machine: ${what}.${lacks}`;
}
