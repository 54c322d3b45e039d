import type { Catalogue, NoContext } from "./catalogue-entry.ts";

type AgentStatus = "none" | "starting" | "ready" | "busy" | "exited";

export interface AgentErrors {
  agent_type_not_found: { name: string };
  agent_type_exists: { name: string };
  agent_type_shared: { name: string };
  agent_type_in_use: { name: string };
  agent_type_unavailable: { name: string; reason: string };
  policy_unsupported: { name: string; policy: string; reason: string };
  choice_unavailable: { what: "mode" | "model"; id: string; offered: string };
  agent_start_failed: { command: string; reason: string };
  agent_not_ready: { status: AgentStatus };
  agent_busy: NoContext;
  agent_paused: NoContext;
  agent_exited: { exit: string };
  agent_out_of_memory: { exit: string; limit: string };
  agent_refused: { reason: string };
  agent_timeout: { after_s: number; waiting_for: string };
  agent_test_timeout: { name: string; after_s: number; phase: string };
  agent_test_ended: { name: string; reason: string };
  session_not_found: { id: string };
  tool_not_found: { name: string };
  directive_not_found: { name: string };
}

/** Why an agent in this state cannot take a request, and what helps. */
const obstacles: Readonly<Record<AgentStatus, readonly [message: string, next: string]>> = {
  none: ["No agent was started in this runner.", "Start one by prompting its task: `wharf task prompt <task>`."],
  starting: ["The agent is still starting.", "Wait until it is ready, then try again."],
  ready: ["The agent in this runner belongs to another run.", "Wait until the agent of this run is ready."],
  busy: ["The agent is busy with another turn.", "Wait until the turn ends, then try again."],
  exited: ["The agent has exited.", "Restart it by prompting its task: `wharf task prompt <task>`."],
};

/** Errors of agent types, and failures of an agent's program. */
export const agentErrors: Catalogue<AgentErrors> = {
  agent_type_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ name }) => `There is no agent type '${name}'.`,
    next: () => "Check the name: `wharf agent-types` lists all of them.",
  },
  agent_type_exists: {
    http: 409,
    grpc: "ALREADY_EXISTS",
    message: ({ name }) => `The agent type '${name}' already exists.`,
    next: ({ name }) =>
      `Change it with \`wharf agent-types set ${name}\`, remove it with \`wharf agent-types rm ${name}\`, or choose another name.`,
  },
  agent_type_shared: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ name }) => `The agent type '${name}' belongs to the server: only its operators change it.`,
    next: ({ name }) =>
      `Add one of the same name for your organization with \`wharf agent-types add ${name} <command>\`: it takes its place there.`,
  },
  agent_type_in_use: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ name }) => `The agent type '${name}' cannot be removed: a run uses it.`,
    next: ({ name }) =>
      `Stop its tasks with \`wharf task stop <task>\`, or disable it for new runs with \`wharf agent-types set ${name} --disable\`.`,
  },
  agent_type_unavailable: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ name, reason }) => `The agent '${name}' cannot start on this server: ${reason}.`,
    next: () => "`wharf agent-types` lists the agents that can start; `wharf doctor` says what the others need.",
  },
  policy_unsupported: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ name, policy, reason }) =>
      `The agent '${name}' does not support the permission policy '${policy}': ${reason}.`,
    next: () => "Use the policy `allow-all`, which lets the agent work without asking, or choose another agent.",
  },
  choice_unavailable: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ what, id, offered }) =>
      offered === ""
        ? `The agent does not let you choose a ${what}, so it has no ${what} '${id}'.`
        : `The agent has no ${what} '${id}'; it offers ${offered}.`,
    next: () =>
      "Remove the choice with `--default`, or choose another one (`wharf task mode <task>`, `wharf task model <task>`), then prompt the task again.",
  },
  agent_start_failed: {
    http: 502,
    grpc: "FAILED_PRECONDITION",
    message: ({ command, reason }) => `The agent did not start (${command}): ${reason}`,
    next: () => "Read the agent's last output with `wharf task logs <task>`, or run its command yourself to see why.",
  },
  agent_not_ready: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ status }) => obstacles[status][0],
    next: ({ status }) => obstacles[status][1],
  },
  agent_busy: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The agent is busy with another turn.",
    next: () => "Wait until the turn ends, or stop the run with `wharf task stop <task>`.",
  },
  agent_paused: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The agent is paused.",
    next: () => "Resume it with `wharf task resume <task>`, then try again.",
  },
  agent_exited: {
    http: 502,
    grpc: "ABORTED",
    message: ({ exit }) => `The agent exited during its turn (${exit}).`,
    next: () => "Read its last output with `wharf task logs <task>`. Prompt the task again to restart the agent.",
  },
  agent_out_of_memory: {
    http: 502,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ exit, limit }) =>
      `The agent exited (${exit}) because the runner reached ${limit}: the kernel killed a process in it.`,
    next: () =>
      "Give the agent more memory with `wharf agent-types set <name> --memory <GiB>`, or a smaller task, then prompt the task again.",
  },
  agent_refused: {
    http: 502,
    grpc: "FAILED_PRECONDITION",
    message: ({ reason }) => `The agent refused the request: ${reason}`,
    next: () =>
      "Fix the problem that the agent reports, then prompt the task again. An interactive login is not possible in a runner: give the agent its credentials with `wharf agent-types set <name>`.",
  },
  agent_timeout: {
    http: 504,
    grpc: "DEADLINE_EXCEEDED",
    message: ({ after_s, waiting_for }) => `The agent did not answer ${waiting_for} within ${after_s} s.`,
    next: () => "Read `wharf task logs <task>`, then prompt the task again or choose another agent.",
  },
  agent_test_timeout: {
    http: 504,
    grpc: "DEADLINE_EXCEEDED",
    message: ({ name, after_s, phase }) =>
      `The test of the agent '${name}' did not end within ${after_s} s. Its last phase was '${phase}'.`,
    next: ({ phase }) =>
      phase === "queue"
        ? "See what runs with `wharf queue`, or allow more time with `--timeout <seconds>`."
        : "Allow more time with `--timeout <seconds>`. If the agent still does not answer, run its command yourself to see what it waits for.",
  },
  agent_test_ended: {
    http: 409,
    grpc: "ABORTED",
    message: ({ name, reason }) => `The test of the agent '${name}' ended early: ${reason}.`,
    next: () => "Test the agent again.",
  },
  session_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no session '${id}'.`,
    next: () => "Start a new session.",
  },
  tool_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ name }) => `There is no tool '${name}'.`,
    next: () => "Use one of the tools that the agent offers.",
  },
  directive_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ name }) => `There is no directive 'demo: ${name}'.`,
    next: () => "Use a directive of the demo agent, for example `demo: say hello`.",
  },
};
