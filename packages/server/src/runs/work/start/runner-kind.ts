import { getAllPrograms, type AgentTypes } from "../../../agent-types/index.ts";
import type { HostCredential } from "../../../backends/index.ts";
import type { RunnerKind } from "../../../runners/index.ts";
import { parseLimits } from "./parse-limits.ts";

export interface RunnerKindSources {
  readonly agentTypes: Pick<AgentTypes, "get" | "getImage">;
  readonly hostCredentials?: ReadonlyMap<string, readonly HostCredential[]>;
}

/** Returns the agent type's requirements for the run's runner. */
export async function getRunnerKind(
  { agentTypes, hostCredentials }: RunnerKindSources,
  { agent_type, organization_id }: { agent_type: string; organization_id: string },
): Promise<RunnerKind> {
  const type = await agentTypes.get(agent_type);
  const image = agentTypes.getImage(type);
  const credentials = hostCredentials?.get(type.name);
  return {
    limits: parseLimits(type.default_resources),
    programs: getAllPrograms(type),
    ...(image && { image }),
    ...(credentials && { credentials }),
    tenant: organization_id,
  };
}
