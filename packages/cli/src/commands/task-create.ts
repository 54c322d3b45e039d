import { api, DependencyIds, PermissionPolicy, TaskInput } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { createIntegerSchema, createListOption } from "../input/option-values.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { toRepositoryUrl } from "../input/repository.ts";
import { getTaskBoardId } from "../tasks/find-board.ts";
import { toShortId } from "../tasks/tasks.ts";
import { createPolicyOption } from "./policy-option.ts";
import { createTierOption } from "./tier-option.ts";

const CreateOptions = z.object({
  description: z.string().optional(),
  file: z.string().optional(),
  repo: z.string().optional(),
  agent: TaskInput.shape.agent_type,
  branch: TaskInput.shape.branch,
  board: z.string().optional(),
  mode: TaskInput.shape.agent_mode,
  model: TaskInput.shape.agent_model,
  tier: TaskInput.shape.tier,
  policy: PermissionPolicy.optional(),
  priority: createIntegerSchema({ min: 0, max: 10 }).optional(),
  dependsOn: DependencyIds.optional(),
});

export function addCreate(group: Command, register: RegisterCommand): void {
  const create = group
    .command("create")
    .summary("Create a task")
    .description("Create a task and print its id. `wharf task prompt` starts it.")
    .argument("<title>", "title of the task")
    .option("--description <text>", "what the agent should do (default: the title); - reads it from stdin")
    .option("--file <path>", "read the description from a file")
    .option("--repo <path or URL>", "repository to work on")
    .option("--agent <name>", "agent to use")
    .option("--branch <name>", "branch to start from (default: the default branch of the repository)")
    .option("--board <board>", "board of the task, by name or id (default: your first board)")
    .option("--mode <id>", "mode of the agent")
    .option("--model <id>", "model of the agent")
    .addOption(createTierOption())
    .option("--priority <0-10>", "priority in the queue; a higher one starts first")
    .addOption(createListOption("--depends-on <task>", "task that must be COMPLETED before this one starts"))
    .addOption(
      createPolicyOption(
        "when to ask you first: before edits and commands (ask), before commands (allow-edits), or never (allow-all) (default: ask)",
      ),
    );
  const createLines = [
    'wharf task create "Fix the failing test" --repo . --agent claude',
    'wharf task create "Update the docs" --file notes.md --repo .',
  ];
  register(addExamples(create, createLines), CreateOptions, createTask);
}

async function createTask(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof CreateOptions>>): Promise<void> {
  const { client, settings, terminal, folder } = cli;
  const [title = ""] = args;
  const description = (await readPromptText(cli, { text: options.description, file: options.file })) ?? title;
  const { repo, agent, branch, board, mode, model, tier, policy, priority, dependsOn } = options;
  const boardId = await getTaskBoardId(client, board);
  const body = {
    title,
    description,
    ...(repo !== undefined && { repository_url: toRepositoryUrl(repo, folder) }),
    ...(agent !== undefined && { agent_type: agent }),
    ...(branch !== undefined && { branch }),
    ...(mode !== undefined && { agent_mode: mode }),
    ...(model !== undefined && { agent_model: model }),
    ...(tier !== undefined && { tier }),
    ...(policy !== undefined && { permission_policy: policy }),
    ...(priority !== undefined && { priority }),
    ...(dependsOn !== undefined && { depends_on: dependsOn }),
  };
  const task = await client.call(api.createTask, { params: { board_id: boardId }, body });
  if (settings.json) return terminal.out(toJsonLine(task));
  terminal.out(`${toShortId(task.id)}\n`);
  terminal.err(`Start it with \`wharf task prompt ${toShortId(task.id)}\`.\n`);
}
