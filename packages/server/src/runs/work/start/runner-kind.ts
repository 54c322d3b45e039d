import { getAllPrograms, type AgentTypes } from "../../../agent-types/index.ts";
import type { HostCredential } from "../../../backends/index.ts";
import type { RunnerKind } from "../../../runners/index.ts";
import type { schema } from "../../../store/index.ts";
import { parseLimits } from "../../state/run-size.ts";

export interface RunnerKindSources {
  readonly agentTypes: Pick<AgentTypes, "get" | "getImage">;
  readonly hostCredentials?: ReadonlyMap<string, readonly HostCredential[]>;
}

type SizedRun = Pick<typeof schema.runs.$inferSelect, "agent_type" | "resource_limits"> & {
  readonly organization_id: string;
};

/** Returns the requirements of a run and its agent type for the run's runner. */
export async function getRunnerKind(
  { agentTypes, hostCredentials }: RunnerKindSources,
  { agent_type, resource_limits, organization_id }: SizedRun,
): Promise<RunnerKind> {
  const type = await agentTypes.get({ organization_id }, agent_type);
  const image = agentTypes.getImage(type);
  // Only operators decide which agents may read the credentials of the server's machine.
  const credentials = type.shared ? hostCredentials?.get(type.name) : undefined;
  return {
    limits: parseLimits(resource_limits ?? type.default_resources),
    programs: getAllPrograms(type),
    ...(image && { image }),
    ...(credentials && { credentials }),
    tenant: organization_id,
  };
}
