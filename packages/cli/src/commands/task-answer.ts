import { api } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples, createTaskArgument } from "../help/examples.ts";
import { formatQuestion, getOptionId } from "../render/permission.ts";
import { toSafeText } from "../render/safe-text.ts";
import { getOpenQuestions, toShortId } from "../tasks/tasks.ts";

const AnswerOptions = z.object({ permission: z.string().optional(), refuse: z.boolean().default(false) });

export function addAnswer(group: Command, register: RegisterCommand): void {
  const answer = group
    .command("answer")
    .summary("Answer a permission request")
    .description("Answer a permission request of the agent. Without an option, show the open requests.")
    .addArgument(createTaskArgument())
    .argument("[option]", "number, id or name of the chosen option")
    .option("--refuse", "refuse the request")
    .option("--permission <id>", "request to answer, if there are several");
  const answerLines = ["wharf task answer 1f2e3d4c", "wharf task answer 1f2e3d4c 1"];
  register(addExamples(answer, answerLines), AnswerOptions, answerQuestion);
}

async function answerQuestion(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof AnswerOptions>>,
): Promise<void> {
  const { client, settings, terminal } = cli;
  const task = await client.call(api.getTask, { params: { task_id: args[0] ?? "" } });
  const openQuestions = await getOpenQuestions(client, task.id);
  const questions =
    options.permission === undefined
      ? openQuestions
      : openQuestions.filter(({ permission_id }) => permission_id.startsWith(options.permission ?? ""));
  const choice = args[1];
  if (choice === undefined && !options.refuse) {
    if (settings.json) return terminal.out(toJsonLine({ permissions: questions }));
    if (questions.length === 0) return terminal.err("There are no open permission requests.\n");
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
  if (!question) throw createUsageError("there is no open permission request");
  if (questions.length > 1)
    throw createUsageError(
      `there are ${questions.length} open permission requests: choose one with --permission (\`wharf task answer ${toShortId(task.id)}\` lists them)`,
    );
  const optionId = options.refuse ? undefined : getOptionId(choice ?? "", question.options ?? []);
  if (optionId === undefined && !options.refuse) throw createUsageError(`'${choice}' is not an option of the request`);
  await client.call(api.answerPermission, {
    params: { task_id: task.id, permission_id: question.permission_id },
    body: optionId === undefined ? {} : { option_id: optionId },
  });
  terminal.out(
    settings.json ? toJsonLine({ permission_id: question.permission_id, option_id: optionId }) : "Answered.\n",
  );
}
