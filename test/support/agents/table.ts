import type { PermissionPolicy } from "@wharf/contract";

export type Route = "gemini" | "anthropic" | "openai";

/** A real agent in a test: how it works and what it reports. */
export interface RealAgent {
  readonly name: string;
  readonly route: Route;
  readonly policy: PermissionPolicy;
  /** Whether it reports what its commands print. */
  readonly showsOutput: boolean;
  /** Whether it has a tool for its plan, and reports it. */
  readonly plans: boolean;
  /** What it needs in its environment so that its model sees the tools of MCP servers at once; absent where it does not show them. */
  readonly mcp?: Readonly<Record<string, string>>;
  readonly otherMode: string;
  /** Part of the other model's name, where it offers one that its route leads to. */
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
