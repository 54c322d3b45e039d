import { api, PermissionPolicy, TaskInput } from "@wharf/contract";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { createIntegerSchema } from "../input/option-values.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { toRepositoryUrl } from "../input/repository.ts";
import { toShortId } from "../tasks/tasks.ts";

export const EditOptions = z.object({
  title: TaskInput.shape.title.optional(),
  description: z.string().optional(),
  file: z.string().optional(),
  repo: z.string().optional(),
  agent: TaskInput.shape.agent_type,
  branch: TaskInput.shape.branch,
  tier: TaskInput.shape.tier,
  policy: PermissionPolicy.optional(),
  priority: createIntegerSchema({ min: 0, max: 10 }).optional(),
  ifVersion: createIntegerSchema({ min: 1, max: 2_147_483_647 }).optional(),
});

/**
 * Changes the named fields of a task. The server refuses the change if somebody else has changed
 * the task since it was read: by this command, or before it if the user names a version.
 */
export async function editTask(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof EditOptions>>,
): Promise<void> {
  const { client, settings, terminal } = cli;
  const { title, repo, agent, branch, tier, policy, priority, ifVersion } = options;
  const description = await readPromptText(cli, { text: options.description, file: options.file });
  const body = {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(repo !== undefined && { repository_url: toRepositoryUrl(repo, cli.folder) }),
    ...(agent !== undefined && { agent_type: agent }),
    ...(branch !== undefined && { branch }),
    ...(tier !== undefined && { tier }),
    ...(policy !== undefined && { permission_policy: policy }),
    ...(priority !== undefined && { priority }),
  };
  if (Object.keys(body).length === 0) throw createUsageError("nothing to change: give an option");
  const task = await client.call(api.getTask, { params: { task_id: args[0] ?? "" } });
  const params = { task_id: task.id };
  const changedTask = await client.call(api.updateTask, { params, body }, { ifVersion: ifVersion ?? task.version });
  terminal.out(settings.json ? toJsonLine(changedTask) : `Changed task ${toShortId(task.id)}.\n`);
}
