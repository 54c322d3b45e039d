import type { AgentStartInput } from "./types.ts";

/** Where an agent type writes this, the address of the relay inside the runner stands. */
const gatewayMark = "${WHARF_GATEWAY}";

export const withGateway = (value: string, gatewayUrl: string): string => value.replaceAll(gatewayMark, gatewayUrl);

/** Stands in the environment of the agent and of all it starts, and nowhere else. */
export const runMark = (runId: string): string => `WHARF_RUN=${runId}`;

/**
 * All that an agent sees of the environment: a minimal base and what its agent type names. Nothing else of the
 * daemon's own environment gets in.
 */
export function agentEnvironment(
  input: AgentStartInput,
  places: { home: string; gatewayUrl: string },
): Record<string, string> {
  const base = {
    PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: places.home,
    USER: process.env["USER"] ?? "agent",
    LANG: "C.UTF-8",
    TERM: "dumb",
    TMPDIR: process.env["TMPDIR"] ?? "/tmp",
    NO_COLOR: "1",
    // There only where a runner was given the way to its owner's ssh agent.
    ...(process.env["SSH_AUTH_SOCK"] && { SSH_AUTH_SOCK: process.env["SSH_AUTH_SOCK"] }),
  };
  const own = Object.entries(input.environment).map(([name, value]) => [name, withGateway(value, places.gatewayUrl)]);
  return { ...base, ...Object.fromEntries(own), WHARF_RUN: input.run_id };
}
