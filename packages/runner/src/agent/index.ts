/**
 * The agent host: starts the agent of a run inside the runner, gives it turns (each at most once), answers what it asks
 * of its client, and writes all that happens to the journal. Agents speak the Agent Client Protocol, print JSON lines
 * of the six message types, or print text.
 */
import { SingleAgentHost } from "./host.ts";
import type { AgentHost, AgentHostOptions } from "./types.ts";

export type { AgentHost, AgentHostOptions } from "./types.ts";

export function createAgentHost(options: AgentHostOptions): AgentHost {
  return new SingleAgentHost(options);
}
