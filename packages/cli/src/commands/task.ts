import { api, PermissionPolicy, TaskInput, TaskState } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { createChoiceOption, createIntegerSchema } from "../option-values.ts";
import { readPromptText } from "../prompt-text.ts";
import { formatDiffStat, formatPatch } from "../render/diff.ts";
import { getOptionId, formatQuestion } from "../render/permission.ts";
import { formatTaskTable } from "../render/task.ts";
import { toRepositoryUrl } from "../repository.ts";
import { writeBytes } from "../runner/output.ts";
import { toSafeText } from "../render/safe-text.ts";
import { getOpenQuestions, getTurns, toShortId } from "../tasks.ts";
import { createAttachOption } from "./attach-option.ts";
import { createPolicyOption } from "./policy-option.ts";
import { ChoiceOptions, createChoiceCommand } from "./task-choice.ts";
import { LogOptions, showLogs } from "./task-logs.ts";
import { showTask } from "./task-show.ts";
import { promptTask, PromptOptions } from "./task-prompt.ts";

const CreateOptions = z.object({
  description: z.string().optional(),
  file: z.string().optional(),
  repo: z.string().optional(),
  agent: TaskInput.shape.agent_type,
  branch: TaskInput.shape.branch,
  board: z.uuid().optional(),
  mode: TaskInput.shape.agent_mode,
  model: TaskInput.shape.agent_model,
  policy: PermissionPolicy.optional(),
  priority: createIntegerSchema({ min: 0, max: 10 }).optional(),
});
const ListOptions = z.object({ state: TaskState.optional(), limit: createIntegerSchema({ min: 1, max: 1000 }) });
const StopOptions = z.object({ reason: z.string().optional() });
const AnswerOptions = z.object({ permission: z.string().optional(), refuse: z.boolean().default(false) });
const None = z.object({});

export function addTask(program: Command, register: RegisterCommand): void {
  const group = program
    .command("task")
    .description("tasks: what agents are to do, and what became of it. Ids may be shortened to 8 letters");
  const create = group
    .command("create <title>")
    .description("put a task on a board; `wharf task prompt` starts it")
    .option("--description <text>", "what to do (default: the title); - reads it from stdin")
    .option("--file <path>", "read the description from a file")
    .option("--repo <path or URL>", "the repository to work on")
    .option("--agent <name>", "the agent to use")
    .option("--branch <name>", "the branch to begin at")
    .option("--board <id>", "the board (default: your first)")
    .option("--mode <id>", "the mode the agent is to work in, of those it offers")
    .option("--model <id>", "the model the agent is to work with, of those it offers")
    .option("--priority <0-10>", "higher goes first")
    .addOption(createPolicyOption("what the agent may do unasked (default: ask)"));
  register(create, CreateOptions, createTask);
  const ls = group
    .command("ls")
    .description("tasks, newest first")
    .addOption(createChoiceOption("--state <state>", "only those in this state", TaskState.options))
    .option("--limit <n>", "how many", "30");
  register(ls, ListOptions, listTasks);
  register(group.command("show <task>").description("one task with its turns and runs"), None, showTask);
  const logs = group
    .command("logs <task>")
    .description("the task's log")
    .option(
      "-f, --follow",
      "go on with what comes, until the task is completed, failed or cancelled (one in review goes on with the next prompt)",
    )
    .option("--after <seq>", "only what came after this sequence");
  register(logs, LogOptions, showLogs);
  const prompt = group
    .command("prompt <task> [text]")
    .description("give the agent its next turn in the same conversation: a text, - for stdin, or what the task says")
    .option("-f, --follow", "show it to its end, and exit as `wharf run` does")
    .option("--agent <name>", "the agent to use, where none is at work")
    .option("--file <path>", "read the prompt from a file")
    .addOption(createAttachOption());
  register(prompt, PromptOptions, promptTask);
  register(
    group.command("stop <task>").description("stop the agent; its disk is kept").option("--reason <text>", "why"),
    StopOptions,
    stopTask,
  );
  register(
    group.command("pause <task>").description("have the agent stand still in the midst of its turn"),
    None,
    pauseTask,
  );
  register(group.command("resume <task>").description("have a paused agent go on"), None, resumeTask);
  register(
    group
      .command("cancel-turn <task> [turn]")
      .description(
        "have the agent end the turn at work, or take back one that waits (its number in `wharf task show`)",
      ),
    None,
    cancelTurn,
  );
  for (const what of ["mode", "model"] as const) {
    const command = group
      .command(`${what} <task> [id]`)
      .description(`have the agent use another ${what}; without one, shows what it offers`)
      .option("--default", `leave the ${what} to the agent again`);
    register(command, ChoiceOptions, createChoiceCommand(what));
  }
  register(group.command("cancel <task>").description("give the task up"), None, cancelTask);
  register(group.command("accept <task>").description("take the work as done"), None, acceptTask);
  register(
    group.command("push <task>").description("try again to push the task's branch, after a push was given up"),
    None,
    pushTask,
  );
  register(
    group.command("rm <task>").description("delete the task with its log and its runner; pushed branches stay"),
    None,
    removeTask,
  );
  register(
    group
      .command("diff <task>")
      .description("what the task's branch changed; in a pipe, the patch as git takes it, byte for byte")
      .option("--stat", "only how much"),
    z.object({ stat: z.boolean().default(false) }),
    showDiff,
  );
  const answer = group
    .command("answer <task> [option]")
    .description("answer what the agent asks, by the option's number, id or name; without one, shows the questions")
    .option("--refuse", "refuse")
    .option("--permission <id>", "which question, where there are several");
  register(answer, AnswerOptions, answerQuestion);
}

const getParams = (args: readonly string[]) => ({ task_id: args[0] ?? "" });

async function createTask(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof CreateOptions>>): Promise<void> {
  const { client, settings, terminal, folder } = cli;
  const [title = ""] = args;
  const description = (await readPromptText(cli, { text: options.description, file: options.file })) ?? title;
  const { repo, agent, branch, board, mode, model, policy, priority } = options;
  const board_id = board ?? (await client.call(api.serverInfo, {})).default_board_id;
  const body = {
    title,
    description,
    ...(repo !== undefined && { repository_url: toRepositoryUrl(repo, folder) }),
    ...(agent !== undefined && { agent_type: agent }),
    ...(branch !== undefined && { branch }),
    ...(mode !== undefined && { agent_mode: mode }),
    ...(model !== undefined && { agent_model: model }),
    ...(policy !== undefined && { permission_policy: policy }),
    ...(priority !== undefined && { priority }),
  };
  const task = await client.call(api.createTask, { params: { board_id }, body });
  if (settings.json) return terminal.out(toJsonLine(task));
  terminal.out(`${toShortId(task.id)}\n`);
  terminal.err(`Start it with \`wharf task prompt ${toShortId(task.id)}\`.\n`);
}

async function listTasks(
  { client, settings, terminal, look }: Cli,
  { options }: CommandLineInput<z.infer<typeof ListOptions>>,
): Promise<void> {
  const { state, limit } = options;
  const answer = await client.call(api.listTasks, { query: { limit, ...(state && { state }) } });
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.tasks.length === 0)
    return terminal.err('There is no task yet. Begin one with `wharf run "what to do" --repo .`.\n');
  terminal.out(formatTaskTable(answer.tasks, look));
  const remainingCount = answer.total - answer.tasks.length;
  if (answer.total_capped) terminal.err(`More than ${remainingCount} more; --limit and --state narrow it down.\n`);
  else if (remainingCount > 0) terminal.err(`${remainingCount} more; --limit shows them.\n`);
}

async function stopTask(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof StopOptions>>): Promise<void> {
  const body = options.reason === undefined ? {} : { reason: options.reason };
  printState(
    cli,
    await cli.client.call(api.stopTask, { params: getParams(args), body }),
    "The agent is being stopped; its disk is kept.",
  );
}

async function pauseTask(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  printState(
    cli,
    await cli.client.call(api.pauseTask, { params: getParams(args) }),
    "The agent is being paused; its open model requests end first.",
  );
}

async function resumeTask(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  printState(cli, await cli.client.call(api.resumeTask, { params: getParams(args) }), "The agent goes on.");
}

/** Without an argument, the command cancels the running turn, or else the next one. */
async function cancelTurn({ client, settings, terminal }: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const turns = await getTurns(client, args[0] ?? "");
  const wish = args[1];
  const turn =
    wish === undefined
      ? (turns.find(({ state }) => state === "RUNNING") ?? turns.find(({ state }) => state === "QUEUED"))
      : turns.find(({ id }, i) => String(i + 1) === wish || id === wish);
  if (!turn) throw createUsageError(wish === undefined ? "no turn is open" : `there is no turn '${wish}'`);
  const cancelled = await client.call(api.cancelTurn, { params: { task_id: turn.task_id, turn_id: turn.id } });
  if (settings.json) return terminal.out(toJsonLine(cancelled));
  terminal.out(cancelled.state === "CANCELLED" ? "The turn is taken back.\n" : "The agent is asked to end its turn.\n");
}

async function cancelTask(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  printState(cli, await cli.client.call(api.cancelTask, { params: getParams(args) }), "Given up.");
}

async function pushTask(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const { client, settings, terminal } = cli;
  const task = await client.call(api.pushTask, { params: { task_id: args[0] ?? "" } });
  if (settings.json) return terminal.out(toJsonLine(task));
  terminal.out(
    `Pushing ${toSafeText(task.shadow_branch)} again; \`wharf task logs -f ${toShortId(task.id)}\` shows how it goes.\n`,
  );
}

async function acceptTask(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  printState(
    cli,
    await cli.client.call(api.setTaskState, { params: getParams(args), body: { state: "COMPLETED" } }),
    "Accepted.",
  );
}

function printState({ settings, terminal }: Cli, task: { id: string; state: TaskState }, words: string): void {
  terminal.out(settings.json ? toJsonLine(task) : `${words} Task ${toShortId(task.id)} is ${task.state}.\n`);
}

async function removeTask({ client, settings, terminal }: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const task = await client.call(api.getTask, { params: getParams(args) });
  await client.call(api.deleteTask, { params: { task_id: task.id } });
  terminal.out(settings.json ? toJsonLine({ deleted: task.id }) : `Task ${toShortId(task.id)} is deleted.\n`);
}

async function showDiff(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<{ stat: boolean }>,
): Promise<void> {
  const diff = await client.call(api.getTaskDiff, { params: getParams(args) });
  if (settings.json) return terminal.out(toJsonLine(diff));
  if (options.stat) return terminal.out(`${formatDiffStat(diff.files, terminal.style)}\n`);
  if (terminal.isTty) terminal.out(formatPatch(diff.patch, terminal.style));
  // Piped output has to stay byte for byte what git can apply.
  else await writeBytes(process.stdout, Buffer.from(diff.patch));
  if (diff.truncated) terminal.err("The patch is too large to show whole; fetch the branch to see all of it.\n");
}

async function answerQuestion(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof AnswerOptions>>,
): Promise<void> {
  const { client, settings, terminal } = cli;
  const task = await client.call(api.getTask, { params: getParams(args) });
  const open = await getOpenQuestions(client, task.id);
  const questions =
    options.permission === undefined
      ? open
      : open.filter(({ permission_id }) => permission_id.startsWith(options.permission ?? ""));
  const wish = args[1];
  if (wish === undefined && !options.refuse) {
    if (settings.json) return terminal.out(toJsonLine({ permissions: questions }));
    if (questions.length === 0) return terminal.err("The agent asks nothing.\n");
    return terminal.out(
      questions
        .map(
          (one) =>
            `${formatQuestion(one, terminal.style).join("\n")}\n    ${terminal.style.dim(`--permission ${toSafeText(one.permission_id)}`)}\n`,
        )
        .join(""),
    );
  }
  const [question] = questions;
  if (!question) throw createUsageError("the agent asks nothing that could be answered");
  if (questions.length > 1)
    throw createUsageError(
      `the agent asks ${questions.length} things: say which with --permission (\`wharf task answer ${toShortId(task.id)}\` shows them)`,
    );
  const option_id = options.refuse ? undefined : getOptionId(wish ?? "", question.options ?? []);
  if (option_id === undefined && !options.refuse) throw createUsageError(`'${wish}' is none of its options`);
  await client.call(api.answerPermission, {
    params: { task_id: task.id, permission_id: question.permission_id },
    body: option_id === undefined ? {} : { option_id },
  });
  terminal.out(settings.json ? toJsonLine({ permission_id: question.permission_id, option_id }) : "Answered.\n");
}
