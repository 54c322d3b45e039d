import { basename } from "node:path";
import type { PermissionPolicy } from "@wharf/contract";
import type { AgentTypeRow } from "./agent-types.ts";

type PolicyModes = Readonly<Record<PermissionPolicy, string>>;

const createConstantModes = (mode: string): PolicyModes => ({ ask: mode, "allow-edits": mode, "allow-all": mode });

/**
 * The mode in which a program asks before it edits a file or runs a command. Wharf answers what it asks by the task's
 * permission policy; a program that starts in a mode in which it decides for itself would leave nothing to answer. They
 * are known by program, so that an agent type that a person made of one of them keeps its policy as well.
 *
 * Codex runs commands in a sandbox of its own, which does not start inside Wharf's. In the profile that its settings in
 * `built-in.ts` define, a command that this stops is asked about and then runs without it.
 */
const modesByProgram: ReadonlyMap<string, PolicyModes> = new Map([
  ["claude-agent-acp", createConstantModes("default")],
  ["codex-acp", { ...createConstantModes("permission-profile:wharf"), "allow-all": "agent-full-access" }],
  ["gemini", createConstantModes("default")],
  ["qwen", createConstantModes("default")],
]);

/** The mode an agent works in unless a person chose another; none where the agent's own is right. */
export const getUsualMode = (
  { command: [program = ""] }: Pick<AgentTypeRow, "command">,
  policy: PermissionPolicy,
): string | undefined => modesByProgram.get(basename(program))?.[policy];

/** Why an agent cannot keep a policy, or nothing. */
export function getPolicyConflict(
  { protocol }: Pick<AgentTypeRow, "protocol">,
  policy: PermissionPolicy,
): string | undefined {
  if (policy === "allow-all" || protocol === "acp") return undefined;
  return "it only prints, and asks nobody before it does something";
}
