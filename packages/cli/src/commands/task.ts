import { api, EventKind, LogLevel, TaskSort, TaskState } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples, createTaskArgument } from "../help/examples.ts";
import { createChoiceOption, createListOption } from "../input/option-values.ts";
import { toSafeText } from "../render/safe-text.ts";
import { getTurns, toShortId } from "../tasks/tasks.ts";
import { createAttachOption } from "./attach-option.ts";
import { addListOptions } from "./list-options.ts";
import { createPolicyOption } from "./policy-option.ts";
import { addAnswer } from "./task-answer.ts";
import { addArchiveCommands } from "./task-archive.ts";
import { addAssignCommand } from "./task-assign.ts";
import { ChoiceOptions, createChoiceCommand } from "./task-choice.ts";
import { addCommentCommands } from "./task-comments.ts";
import { addCreate } from "./task-create.ts";
import { addDepend } from "./task-depend.ts";
import { addDiff } from "./task-diff.ts";
import { editTask, EditOptions } from "./task-edit.ts";
import { listTasks, TaskListOptions } from "./task-list.ts";
import { LogOptions, showLogs } from "./task-logs.ts";
import { promptTask, PromptOptions } from "./task-prompt.ts";
import { showTask } from "./task-show.ts";
import { addStart } from "./task-start.ts";
import { printState } from "./task-state.ts";
import { addStop } from "./task-stop.ts";
import { createTierOption } from "./tier-option.ts";

const PushOptions = z.object({
  allowSecret: z
    .string()
    .regex(/^[0-9a-f]{16}(?:,[0-9a-f]{16})*$/, "fingerprints of 16 hexadecimal digits, separated by commas")
    .optional(),
});
type PushOptions = z.infer<typeof PushOptions>;
const None = z.object({});

export function addTask(program: Command, register: RegisterCommand): void {
  const group = program.command("task").description("Create and manage tasks");
  addExamples(group, ["wharf task ls --state REVIEW", "wharf task logs 1f2e3d4c --follow"]);
  addContentCommands(group, register);
  addTurnCommands(group, register);
  addStateCommands(group, register);
  addCommentCommands(group, register);
  addAssignCommand(group, register);
  addArchiveCommands(group, register);
}

/** Adds the commands that create, show and delete tasks. */
function addContentCommands(group: Command, register: RegisterCommand): void {
  addCreate(group, register);
  const ls = group
    .command("ls")
    .description("List tasks, newest first unless --sort says otherwise")
    .option("--board <board>", "list only tasks of this board, by name or id")
    .addOption(createListOption("--state <state>", "list only tasks in this state", { choices: TaskState.options }))
    .option("--assignee <user>", "list only tasks that are assigned to this user, by name or id; or me, or none")
    .option("--agent <name>", "list only tasks of this agent")
    .option("--repo <path or URL>", "list only tasks of this repository")
    .option("--text <text>", "list only tasks whose title contains this")
    .addOption(createChoiceOption("--sort <order>", "order of the list; - means descending", TaskSort.options))
    .option("--archived", "list the archived tasks instead of the others");
  addListOptions(ls, "tasks", 30);
  const lsLines = ["wharf task ls", "wharf task ls --state REVIEW --state BLOCKED --sort=-priority"];
  register(addExamples(ls, lsLines), TaskListOptions, listTasks);
  const show = group
    .command("show")
    .description("Show a task with its turns and its last run")
    .addArgument(createTaskArgument());
  register(addExamples(show, ["wharf task show 1f2e3d4c"]), None, showTask);
  const logs = group
    .command("logs")
    .summary("Show a task's log")
    .description("Show a task's log. --follow waits while the task is in review, because a prompt can continue it.")
    .addArgument(createTaskArgument())
    .option("-f, --follow", "show new events until the task is completed, failed or cancelled")
    .option("--after <seq>", "show only events after this sequence number")
    .addOption(
      createChoiceOption("--level <level>", "show one line for each event of this level or above", LogLevel.options),
    )
    .addOption(createChoiceOption("--kind <kind>", "show only events of this kind", EventKind.options))
    .option("--run <id>", "show only events of this run")
    .option("--since <time>", "show only events of this time and later")
    .option("--until <time>", "show only events before this time");
  const logLines = [
    "wharf task logs 1f2e3d4c",
    "wharf task logs 1f2e3d4c --follow",
    "wharf task logs 1f2e3d4c --level warn --since 2026-01-31",
    "wharf task logs 1f2e3d4c --kind tool_call --until 2026-01-31T08:00:00Z",
  ];
  register(addExamples(logs, logLines), LogOptions, showLogs);
  addDiff(group, register);
  const edit = group
    .command("edit")
    .summary("Change a task")
    .description("Change a task. The change is refused if somebody else changes the task at the same time.")
    .addArgument(createTaskArgument())
    .option("--title <text>", "new title")
    .option("--description <text>", "new description; - reads it from stdin")
    .option("--file <path>", "read the new description from a file")
    .option("--repo <path or URL>", "repository to work on")
    .option("--agent <name>", "agent to use")
    .option("--branch <name>", "branch to start from")
    .addOption(createTierOption())
    .option("--priority <0-10>", "priority in the queue; a higher one starts first")
    .addOption(createPolicyOption("when to ask you first"))
    .option("--if-version <n>", "change only this version, from `wharf task show --json` (default: the present one)");
  const editLines = [
    "wharf task edit 1f2e3d4c --priority 8",
    'wharf task edit 1f2e3d4c --title "Fix it" --if-version 3',
  ];
  register(addExamples(edit, editLines), EditOptions, editTask);
  const rm = group
    .command("rm")
    .summary("Delete a task")
    .description("Delete a task with its log and its runner. Pushed branches are kept.")
    .addArgument(createTaskArgument());
  register(addExamples(rm, ["wharf task rm 1f2e3d4c"]), None, removeTask);
}

/** Adds the commands that control turns and the agent. */
function addTurnCommands(group: Command, register: RegisterCommand): void {
  const prompt = group
    .command("prompt")
    .summary("Prompt the agent of a task")
    .description("Queue a prompt as the next turn of a task. The agent keeps its conversation.")
    .addArgument(createTaskArgument())
    .argument("[text]", "prompt (default: the task's description); - reads it from stdin")
    .option("-f, --follow", "show the turn until it ends, and exit like `wharf run`")
    .option("--agent <name>", "agent to use if none is running")
    .option("--file <path>", "read the prompt from a file")
    .option("--comments", "send the open comments of the task, after the prompt if there is one")
    .addOption(createAttachOption());
  const promptLines = [
    "wharf task prompt 1f2e3d4c",
    'wharf task prompt 1f2e3d4c "Also update the documentation" --follow',
    "wharf task prompt 1f2e3d4c --comments",
  ];
  register(addExamples(prompt, promptLines), PromptOptions, promptTask);
  addAnswer(group, register);
  for (const what of ["mode", "model"] as const) {
    const command = group
      .command(what)
      .summary(`Set the agent's ${what}`)
      .description(`Set the agent's ${what}. Without an id, show the available ${what}s.`)
      .addArgument(createTaskArgument())
      .argument("[id]", `id of the ${what}`)
      .option("--default", `let the agent choose the ${what} again`);
    const lines = [`wharf task ${what} 1f2e3d4c`, `wharf task ${what} 1f2e3d4c ${sampleChoices[what]}`];
    register(addExamples(command, lines), ChoiceOptions, createChoiceCommand(what));
  }
  const pause = group.command("pause").description("Pause the agent during its turn").addArgument(createTaskArgument());
  register(addExamples(pause, ["wharf task pause 1f2e3d4c"]), None, pauseTask);
  const resume = group
    .command("resume")
    .description("Resume a paused agent, or a task that waits for its provider")
    .addArgument(createTaskArgument());
  register(addExamples(resume, ["wharf task resume 1f2e3d4c"]), None, resumeTask);
  const cancel = group
    .command("cancel-turn")
    .summary("Cancel a turn")
    .description("Cancel a turn: the given one, or else the running one, or else the next in the queue.")
    .addArgument(createTaskArgument())
    .argument("[turn]", "number of the turn in `wharf task show`, or its id");
  register(
    addExamples(cancel, ["wharf task cancel-turn 1f2e3d4c", "wharf task cancel-turn 1f2e3d4c 3"]),
    None,
    cancelTurn,
  );
}

const sampleChoices = { mode: "plan", model: "sonnet" } as const;

/** Adds the commands that end a task's work. */
function addStateCommands(group: Command, register: RegisterCommand): void {
  addStart(group, register);
  addDepend(group, register);
  addStop(group, register);
  const cancel = group
    .command("cancel")
    .description("End a task without accepting its result; a new prompt reopens it")
    .addArgument(createTaskArgument());
  register(addExamples(cancel, ["wharf task cancel 1f2e3d4c"]), None, cancelTask);
  const accept = group
    .command("accept")
    .description("Accept the result and complete the task")
    .addArgument(createTaskArgument());
  register(addExamples(accept, ["wharf task accept 1f2e3d4c"]), None, acceptTask);
  const push = group
    .command("push")
    .description("Retry a failed push of a task's branch")
    .addArgument(createTaskArgument())
    .option("--allow-secret <fingerprints>", "allow what the refused push reported as secrets, separated by commas");
  const pushLines = ["wharf task push 1f2e3d4c", "wharf task push 1f2e3d4c --allow-secret 0f1e2d3c4b5a6978"];
  register(addExamples(push, pushLines), PushOptions, pushTask);
}

const getParams = (args: readonly string[]) => ({ task_id: args[0] ?? "" });

async function pauseTask(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  printState(
    cli,
    await cli.client.call(api.pauseTask, { params: getParams(args) }),
    "Pausing the agent. Its open model requests finish first.",
  );
}

async function resumeTask(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  printState(cli, await cli.client.call(api.resumeTask, { params: getParams(args) }), "Resuming the agent.");
}

/** Without an argument, the command cancels the running turn, or else the next one. */
async function cancelTurn({ client, settings, terminal }: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const turns = await getTurns(client, args[0] ?? "");
  const turnName = args[1];
  const turn =
    turnName === undefined
      ? (turns.find(({ state }) => state === "RUNNING") ?? turns.find(({ state }) => state === "QUEUED"))
      : turns.find(({ id }, i) => String(i + 1) === turnName || id === turnName);
  if (!turn)
    throw createUsageError(turnName === undefined ? "no turn is running or queued" : `there is no turn '${turnName}'`);
  const cancelled = await client.call(api.cancelTurn, { params: { task_id: turn.task_id, turn_id: turn.id } });
  if (settings.json) return terminal.out(toJsonLine(cancelled));
  terminal.out(cancelled.state === "CANCELLED" ? "The turn is cancelled.\n" : "The agent was asked to end its turn.\n");
}

async function cancelTask(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  printState(cli, await cli.client.call(api.cancelTask, { params: getParams(args) }), "Cancelled.");
}

async function pushTask(cli: Cli, { args, options }: CommandLineInput<PushOptions>): Promise<void> {
  const { client, settings, terminal } = cli;
  const body = { allow_secrets: options.allowSecret?.split(",") };
  const task = await client.call(api.pushTask, { params: { task_id: args[0] ?? "" }, body });
  if (settings.json) return terminal.out(toJsonLine(task));
  terminal.out(
    `Pushing ${toSafeText(task.shadow_branch)} again; \`wharf task logs -f ${toShortId(task.id)}\` shows the result.\n`,
  );
}

async function acceptTask(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  printState(
    cli,
    await cli.client.call(api.setTaskState, { params: getParams(args), body: { state: "COMPLETED" } }),
    "Accepted.",
  );
}

async function removeTask({ client, settings, terminal }: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const task = await client.call(api.getTask, { params: getParams(args) });
  await client.call(api.deleteTask, { params: { task_id: task.id } });
  terminal.out(settings.json ? toJsonLine({ deleted: task.id }) : `Deleted task ${toShortId(task.id)}.\n`);
}
