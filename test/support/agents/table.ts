export type Route = "gemini" | "anthropic" | "openai";

/** A real agent in a test: how it works and what it reports. */
export interface RealAgent {
  readonly name: string;
  readonly route: Route;
  readonly policy: "ask" | "allow-all";
  /** Whether it reports what its commands print. */
  readonly showsOutput: boolean;
  readonly otherMode: string;
  /** Part of the other model's name, where it offers one that its route leads to. */
  readonly otherModel?: string;
}

const codex = {
  name: "codex",
  route: "openai",
  showsOutput: true,
  otherMode: "read-only",
  otherModel: "gpt-6-sol",
} as const;
export const realAgents: readonly RealAgent[] = [
  {
    name: "gemini",
    route: "gemini",
    policy: "ask",
    showsOutput: false,
    otherMode: "plan",
    otherModel: "gemini-2.5-pro",
  },
  {
    name: "claude",
    route: "anthropic",
    policy: "ask",
    showsOutput: true,
    otherMode: "acceptEdits",
    otherModel: "sonnet",
  },
  { ...codex, policy: "ask" },
  { ...codex, policy: "allow-all" },
  { name: "opencode", route: "openai", policy: "ask", showsOutput: true, otherMode: "plan" },
  { name: "qwen", route: "openai", policy: "ask", showsOutput: true, otherMode: "auto-edit" },
];
