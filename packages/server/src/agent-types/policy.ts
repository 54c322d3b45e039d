import { basename } from "node:path";
import type { PermissionPolicy } from "@wharf/contract";
import type { AgentTypeRow } from "./row.ts";

type PolicyModes = Readonly<Record<PermissionPolicy, string>>;

const createConstantModes = (mode: string): PolicyModes => ({ ask: mode, "allow-edits": mode, "allow-all": mode });

/**
 * The mode in which a program asks before it edits a file or runs a command. Wharf answers these
 * questions by the task's permission policy; a program in a mode in which it decides for itself
 * would ask none. The modes are keyed by program, so that they also apply to agent types that a
 * person created with one of these programs.
 *
 * Codex runs commands in its own sandbox, which does not start inside Wharf's. In the profile that
 * its settings in `built-in.ts` define, Codex asks about a command that this prevents and then runs
 * it without the sandbox.
 */
const modesByProgram: ReadonlyMap<string, PolicyModes> = new Map([
  ["claude-agent-acp", createConstantModes("default")],
  ["codex-acp", { ...createConstantModes("permission-profile:wharf"), "allow-all": "agent-full-access" }],
  ["gemini", createConstantModes("default")],
  ["qwen", createConstantModes("default")],
]);

/**
 * Returns an agent's mode unless a person chose another; undefined if the agent's default is right.
 */
export const getUsualMode = (
  { command: [program = ""] }: Pick<AgentTypeRow, "command">,
  policy: PermissionPolicy,
): string | undefined => modesByProgram.get(basename(program))?.[policy];

/** Returns why an agent cannot enforce a policy, or undefined if it can. */
export function getPolicyConflict(
  { protocol }: Pick<AgentTypeRow, "protocol">,
  policy: PermissionPolicy,
): string | undefined {
  if (policy === "allow-all" || protocol === "acp") return undefined;
  return "it only prints its output and does not ask before it acts";
}
