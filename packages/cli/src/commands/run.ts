import { randomUUID } from "node:crypto";
import { api, type Attachments, PermissionPolicy, RemoteError, type Task, TaskInput } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../cli.ts";
import { toProblem, createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { readAttachments } from "../input/attachments.ts";
import { createListOption, variables } from "../input/option-values.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { getRepositoryUrl } from "../input/repository.ts";
import { InterruptedError, Interrupts } from "../interrupts.ts";
import { formatIsolation, formatUnsafeWarning } from "../render/isolation.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatFields } from "../render/table.ts";
import { getOrStartServer } from "../server/own-server.ts";
import { createRunTask } from "../tasks/create-run-task.ts";
import { toShortId } from "../tasks/tasks.ts";
import { restartTimeoutMs } from "../turn/await-turn.ts";
import { getExitCode, exitCodes } from "../turn/outcome.ts";
import { watchTurn } from "../turn/show-turn.ts";
import { toSummaryJson, formatSummary } from "../turn/summary.ts";
import { createAttachOption } from "./attach-option.ts";
import { createPolicyOption } from "./policy-option.ts";
import { createTierOption } from "./tier-option.ts";

const Options = z.object({
  repo: z.string().optional(),
  agent: TaskInput.shape.agent_type,
  branch: TaskInput.shape.branch,
  board: z.string().optional(),
  policy: PermissionPolicy.optional(),
  title: TaskInput.shape.title.optional(),
  mode: TaskInput.shape.agent_mode,
  model: TaskInput.shape.agent_model,
  tier: TaskInput.shape.tier,
  file: z.string().optional(),
  attach: z.array(z.string()).default([]),
  template: z.string().min(1).max(100).optional(),
  set: variables,
});
type RunInput = CommandLineInput<z.infer<typeof Options>>;

export function addRun(program: Command, register: RegisterCommand): void {
  const command = program
    .command("run")
    .summary("Create a task and run its first turn")
    .description(
      "Create a task, run its first turn and show the progress. If no server is running, one is started for this command.",
    )
    .argument("[prompt]", "what the agent should do; - reads it from stdin")
    .option("--repo <path or URL>", "repository to work on (default: the repository of this folder)")
    .option("--agent <name>", "agent to use (`wharf agent-types` lists them)")
    .option("--branch <name>", "branch to start from (default: the default branch of the repository)")
    .option("--board <board>", "board of the task, by name or id (default: your first board)")
    .addOption(
      createPolicyOption(
        "when to ask you first: before edits and commands (ask), before commands (allow-edits), or never (allow-all) (default: ask in a terminal, otherwise allow-edits)",
      ),
    )
    .option("--title <title>", "title of the task (default: the first line of the prompt)")
    .option("--mode <id>", "mode of the agent")
    .option("--model <id>", "model of the agent")
    .addOption(createTierOption())
    .option("--file <path>", "read the prompt from a file")
    .addOption(createAttachOption())
    .option("--template <template>", "template of the task, by name or id; the options replace its fields")
    .addOption(createListOption("--set <name=value>", "value of a placeholder of the template"));
  const lines = [
    'wharf run "Fix the failing test" --repo .',
    "wharf run --template fix-issue --set issue=12",
    'gh issue view 12 | wharf run - --agent claude --title "Issue 12"',
  ];
  register(addExamples(command, lines), Options, runWithSummary);
}

async function runWithSummary(cli: Cli, input: RunInput): Promise<number> {
  try {
    return await runTask(cli, input);
  } catch (error) {
    // A reader of the JSON lines finds the result in the last line, after any failure.
    if (cli.settings.json) {
      const exitCode = error instanceof InterruptedError ? error.exitCode : exitCodes.wharfFailed;
      cli.terminal.out(
        toJsonLine({
          type: "summary",
          exit_code: exitCode,
          ...(error instanceof InterruptedError ? {} : { failure: toProblem(error) }),
        }),
      );
    }
    throw error;
  }
}

/** A prompt is given as text or by a template. */
function checkPrompt(what: string | undefined, { template, set }: z.infer<typeof Options>): void {
  if (template === undefined && Object.keys(set).length > 0)
    throw createUsageError("--set: give the template too, with --template <template>");
  if (what !== undefined && template !== undefined) throw createUsageError("give a prompt or --template, not both");
  if (what === undefined && template === undefined)
    throw createUsageError("give a prompt: as an argument, as - for stdin, with --file <path> or with --template");
}

async function runTask(cli: Cli, { args, options }: RunInput): Promise<number> {
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const { settings, terminal } = cli;
  const attachments = await readAttachments(options.attach, cli.folder);
  const what = await readPromptText(cli, { text: args[0], file: options.file });
  checkPrompt(what, options);
  const isNamed = options.template === undefined || options.repo !== undefined;
  const repository = isNamed ? await getRepositoryUrl(options.repo, cli.folder) : undefined;
  await using server = await getOrStartServer(settings, {
    interrupts,
    onStart: () => terminal.err("No server is running. Starting one for this command.\n"),
  });
  const { client } = server;
  signal.throwIfAborted();

  const info = await client.call(api.serverInfo, {}, { signal });
  const defaultPolicy = terminal.isInteractive && !settings.json ? "ask" : "allow-edits";
  const request = { ...options, what, repository, defaultPolicy } as const;
  const task = await createRunTask({ ...cli, client }, request, signal);
  const turnId = await sendFirstPrompt({ ...cli, client }, task, { text: task.description, attachments });
  terminal.err(formatUnsafeWarning(info, terminal.errStyle));
  if (!settings.json) {
    const fields = [
      ["repository", toSingleLine(task.repository_url ?? "", 300)],
      ["policy", task.permission_policy],
      ["isolation", formatIsolation(info, terminal.style)],
    ] as const;
    terminal.out(
      `${terminal.style.bold(`Task ${toShortId(task.id)}`)}  ${toSingleLine(task.title)}\n${formatFields(fields, terminal.style)}\n`,
    );
  }

  const summary = await watchTurn({ ...cli, client }, { task, turnId, after: 0, interrupts });
  // The agent would wait unattended for its next prompt after the server exits.
  if (server.isOwn)
    await client
      .call(api.stopTask, {
        params: { task_id: task.id },
        body: { reason: "the command that started the server ended" },
      })
      .catch(() => undefined);
  const exitCode = signal.reason instanceof InterruptedError ? signal.reason.exitCode : getExitCode(summary.outcome);
  terminal.out(
    settings.json ? toJsonLine(toSummaryJson(summary, exitCode)) : `\n${formatSummary(summary, terminal.style)}`,
  );
  return exitCode;
}

/** Starts the task's first turn. A task that cannot start is removed from the board. */
async function sendFirstPrompt(
  { client }: Cli,
  task: Task,
  { text, attachments }: { text: string; attachments: Attachments },
): Promise<string> {
  const turnId = randomUUID();
  const params = { task_id: task.id };
  try {
    await client.call(
      api.promptTask,
      { params, body: { text, turn_id: turnId, attachments } },
      { retryTimeoutMs: restartTimeoutMs },
    );
    return turnId;
  } catch (error) {
    if (error instanceof RemoteError) await client.call(api.deleteTask, { params }).catch(() => undefined);
    throw error;
  }
}
