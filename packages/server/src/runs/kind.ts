import { allProgramsOf, type AgentTypes } from "../agent-types/index.ts";
import type { HostCredential } from "../backends/index.ts";
import type { RunnerKind } from "../runners/index.ts";
import { limitsOf } from "./limits.ts";

export interface KindDeps {
  readonly agentTypes: Pick<AgentTypes, "get" | "imageOf">;
  readonly hostCredentials?: ReadonlyMap<string, readonly HostCredential[]>;
}

/** What a run's agent type needs of a runner. */
export async function findKind(
  { agentTypes, hostCredentials }: KindDeps,
  { agent_type, organization_id }: { agent_type: string; organization_id: string },
): Promise<RunnerKind> {
  const type = await agentTypes.get(agent_type);
  const image = agentTypes.imageOf(type);
  const credentials = hostCredentials?.get(type.name);
  return {
    limits: limitsOf(type.default_resources),
    programs: allProgramsOf(type),
    ...(image && { image }),
    ...(credentials && { credentials }),
    tenant: organization_id,
  };
}
