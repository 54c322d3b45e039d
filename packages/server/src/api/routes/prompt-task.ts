import type { Attachments } from "@wharf/contract";
import type { Scope } from "../../access/index.ts";
import type { AgentTypes } from "../../agent-types/index.ts";
import type { RunCommands } from "../../runs/index.ts";
import type { ExpectedVersions } from "../../store/index.ts";
import type { TaskRow } from "../../tasks/index.ts";

export interface PromptModules {
  readonly commands: RunCommands;
  readonly agentTypes: AgentTypes;
}

interface PromptRequest {
  readonly task: TaskRow;
  readonly scope: Scope;
  readonly text?: string | undefined;
  readonly sendsComments?: boolean;
  readonly turn_id?: string | undefined;
  readonly agent_type?: string | undefined;
  readonly priority?: number | undefined;
  readonly attachments?: Attachments | undefined;
  readonly expected?: ExpectedVersions;
}

/** Prompts an agent. */
export async function promptTask(modules: PromptModules, call: PromptRequest) {
  return modules.commands.prompt(call.task.id, await createPrompt(modules, call));
}

/** Checks a prompt's agent. Without a text and comments, the prompt is the task's description. */
export async function createPrompt({ agentTypes }: PromptModules, call: PromptRequest) {
  const { task, scope, turn_id, priority, attachments, expected, sendsComments = false } = call;
  const text = call.text ?? (sendsComments ? "" : task.description);
  const type = await agentTypes.chooseType(scope, call.agent_type ?? task.agent_type ?? undefined);
  await agentTypes.requirePolicy(scope, type.name, task.permission_policy);
  return { text, sendsComments, by: scope.user_id, turn_id, agent_type: type.name, priority, attachments, expected };
}
