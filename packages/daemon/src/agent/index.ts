/**
 * The agent host starts the agent of a run inside the runner, sends it turns (each at most once),
 * answers its requests to its client, and writes all events to the journal. Agents speak the Agent
 * Client Protocol, print JSON lines of the six message types, or print text.
 */
import { SingleAgentHost } from "./host.ts";
import type { AgentHost, AgentHostOptions } from "./types.ts";

export type { AgentHost, AgentHostOptions } from "./types.ts";

export function createAgentHost(options: AgentHostOptions): AgentHost {
  return new SingleAgentHost(options);
}
