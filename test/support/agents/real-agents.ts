import type { PermissionPolicy } from "@wharf/contract";

export type Route = "gemini" | "anthropic" | "openai";

type AgentName = "gemini" | "claude" | "codex" | "opencode" | "qwen";

/** The behaviour of a real agent in a test, and the events that it reports. */
export interface RealAgent {
  readonly name: AgentName;
  readonly route: Route;
  readonly policy: PermissionPolicy;
  /** Whether the agent reports the output of its commands. */
  readonly showsOutput: boolean;
  /** Whether the agent has a planning tool and reports its plan. */
  readonly plans: boolean;
  /**
   * The environment in which the agent shows its model the tools of MCP servers at once; absent if
   * the agent does not show them.
   */
  readonly mcp?: Readonly<Record<string, string>>;
  readonly otherMode: string;
  /** Part of another model's name, if the agent offers one that its route supports. */
  readonly otherModel?: string;
}

const codex = {
  name: "codex",
  route: "openai",
  showsOutput: true,
  plans: true,
  otherMode: "read-only",
  otherModel: "gpt-6-sol",
} as const;
export const realAgents: readonly RealAgent[] = [
  {
    name: "gemini",
    route: "gemini",
    policy: "ask",
    showsOutput: false,
    plans: false,
    mcp: { GEMINI_CLI_TRUST_WORKSPACE: "true" },
    otherMode: "plan",
    otherModel: "gemini-2.5-pro",
  },
  {
    name: "claude",
    route: "anthropic",
    policy: "ask",
    showsOutput: true,
    plans: true,
    mcp: { ENABLE_TOOL_SEARCH: "false" },
    otherMode: "acceptEdits",
    otherModel: "sonnet",
  },
  { ...codex, policy: "ask" },
  { ...codex, policy: "allow-edits" },
  { ...codex, policy: "allow-all" },
  { name: "opencode", route: "openai", policy: "ask", showsOutput: true, plans: true, mcp: {}, otherMode: "plan" },
  { name: "qwen", route: "openai", policy: "ask", showsOutput: true, plans: false, otherMode: "auto-edit" },
];

/** Each agent once, under the policy `ask`. */
export const oneOfEachAgent = realAgents.filter(({ policy }) => policy === "ask");
