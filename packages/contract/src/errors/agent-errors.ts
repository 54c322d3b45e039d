import type { ErrorContexts } from "./contexts.ts";
import type { CatalogueEntry } from "./catalogue-entry.ts";

type AgentError = "agent_start_failed" | "agent_exited" | "agent_out_of_memory" | "agent_refused" | "agent_timeout";

/** Failures of an agent's program. */
export const agentErrors: { readonly [Code in AgentError]: CatalogueEntry<ErrorContexts[Code]> } = {
  agent_start_failed: {
    http: 502,
    grpc: "FAILED_PRECONDITION",
    message: ({ command, reason }) => `The agent did not start (${command}): ${reason}`,
    next: () => "Run the command by hand and read what it prints; the task's log holds its last lines.",
  },
  agent_exited: {
    http: 502,
    grpc: "ABORTED",
    message: ({ exit }) => `The agent ended in the middle of its turn (${exit}).`,
    next: () => "Its last lines are in the task's log. Prompt the task again to start it anew.",
  },
  agent_out_of_memory: {
    http: 502,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ exit, limit }) =>
      `The agent ended (${exit}) because the runner reached ${limit}: the kernel killed a process in it.`,
    next: () =>
      "Give the agent more memory with `wharf agent-types set <name> --memory <GiB>`, or the task less to do at once, then prompt the task again.",
  },
  agent_refused: {
    http: 502,
    grpc: "FAILED_PRECONDITION",
    message: ({ reason }) => `The agent refused: ${reason}`,
    next: () => "Its own words say why. An agent that wants a login of its own cannot get one in a runner.",
  },
  agent_timeout: {
    http: 504,
    grpc: "DEADLINE_EXCEEDED",
    message: ({ after_s, waiting_for }) => `The agent gave no answer to ${waiting_for} within ${after_s} s.`,
    next: () => "Look at the task's log, then prompt it again or choose another agent.",
  },
};
