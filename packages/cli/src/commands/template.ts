import { api, PermissionPolicy, type Template, TemplateFields, TemplateSort } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { createDecimalSchema, createIntegerSchema } from "../input/option-values.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { toRepositoryUrl } from "../input/repository.ts";
import { toSafeText, toSingleLine } from "../render/safe-text.ts";
import { formatFields, formatTable, maxCellLength } from "../render/table.ts";
import { readAllRows, readList } from "../server/lists.ts";
import { findBoard } from "../tasks/find-board.ts";
import { findTemplate } from "../tasks/find-template.ts";
import { addListOptions, addSortOption, ListOptions, mentionMore } from "./list-options.ts";
import { createPolicyOption } from "./policy-option.ts";

const BoardOption = z.object({ board: z.string().optional() });
const SetOptions = BoardOption.extend({
  file: z.string().optional(),
  title: TemplateFields.shape.title,
  repo: z.string().optional(),
  agent: TemplateFields.shape.agent_type,
  branch: TemplateFields.shape.branch,
  mode: TemplateFields.shape.agent_mode,
  model: TemplateFields.shape.agent_model,
  policy: PermissionPolicy.optional(),
  priority: createIntegerSchema({ min: 0, max: 10 }).optional(),
  budget: createDecimalSchema({ min: 0, max: 1_000_000_000 }).optional(),
});
const TemplateListOptions = ListOptions.extend({ sort: TemplateSort.optional() });
const boardFlags = ["--board <board>", "board of the template, by name or id"] as const;

export function addTemplate(program: Command, register: RegisterCommand): void {
  const group = program
    .command("template")
    .summary("Manage templates of tasks")
    .description(
      "Manage templates of tasks. A template belongs to a board or to the whole organization. `wharf run --template` creates a task from one.",
    );
  addExamples(group, ["wharf template ls", "wharf template show fix-issue"]);
  const ls = group.command("ls").description("List the templates of the organization and of your boards");
  addListOptions(addSortOption(ls, TemplateSort.options), "templates");
  register(addExamples(ls, ["wharf template ls"]), TemplateListOptions, listTemplates);
  const show = group
    .command("show")
    .description("Show a template with its prompt and its placeholders")
    .argument("<template>", "name of the template, or its id")
    .option(...boardFlags);
  register(addExamples(show, ["wharf template show fix-issue"]), BoardOption, showTemplate);
  const set = group
    .command("set")
    .summary("Create or replace a template")
    .description(
      "Create a template, or replace the one of the same name. {{name}} in the prompt or the title is a placeholder, whose value each new task gives.",
    )
    .argument("<template>", "name of the template")
    .argument("[prompt]", "what the agent should do; - reads it from stdin")
    .option("--file <path>", "read the prompt from a file")
    .option("--board <board>", "board of the template, by name or id (default: the whole organization)")
    .option("--title <title>", "title of the tasks (default: the first line of the prompt)")
    .option("--repo <path or URL>", "repository to work on")
    .option("--agent <name>", "agent to use")
    .option("--branch <name>", "branch to start from")
    .option("--mode <id>", "mode of the agent")
    .option("--model <id>", "model of the agent")
    .option("--priority <0-10>", "priority in the queue; a higher one starts first")
    .option("--budget <usd>", "what models may cost each task, in US dollars; needs the permission budget:write")
    .addOption(
      createPolicyOption("when to ask first: before edits and commands (ask), before commands (allow-edits), or never"),
    );
  const setLines = [
    'wharf template set fix-issue "Fix issue {{issue}}" --agent claude',
    "wharf template set review --file review.md --board Website",
  ];
  register(addExamples(set, setLines), SetOptions, setTemplate);
  const rm = group
    .command("rm")
    .description("Remove a template. Its tasks stay")
    .argument("<template>", "name of the template, or its id")
    .option(...boardFlags);
  register(addExamples(rm, ["wharf template rm fix-issue"]), BoardOption, removeTemplate);
}

const findBoardId = async ({ client }: Cli, name: string | undefined): Promise<string | undefined> =>
  name === undefined ? undefined : (await findBoard(client, name)).id;

async function listTemplates(
  { client, settings, terminal, look }: Cli,
  { options: { sort, ...page } }: CommandLineInput<z.infer<typeof TemplateListOptions>>,
): Promise<void> {
  const answer = await readList(client, api.listTemplates, { query: { ...(sort && { sort }) } }, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.templates.length === 0)
    return terminal.err("There are no templates. Create one with `wharf template set`.\n");
  const boards = await readAllRows(client, api.listBoards, {});
  const rows = answer.templates.map(({ name, board_id, placeholders, fields }) => [
    toSingleLine(name),
    board_id === undefined ? "–" : toSingleLine(boards.find(({ id }) => id === board_id)?.name ?? board_id, 60),
    toSingleLine(placeholders.join(", ") || "–", 60),
    toSingleLine(fields.title ?? fields.description, maxCellLength),
  ]);
  terminal.out(formatTable(["TEMPLATE", "BOARD", "PLACEHOLDERS", "TITLE"], rows, look));
  mentionMore({ terminal }, answer);
}

async function showTemplate(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof BoardOption>>): Promise<void> {
  const { client, settings, terminal } = cli;
  const template = await findTemplate(client, args[0] ?? "", await findBoardId(cli, options.board));
  terminal.out(settings.json ? toJsonLine(template) : formatTemplate(template, cli));
}

function formatTemplate({ id, name, fields, placeholders }: Template, { terminal: { style } }: Cli): string {
  const toLine = (value: string | undefined) => value && toSingleLine(value, 300);
  const lines = formatFields(
    [
      ["template", id],
      ["title", toLine(fields.title)],
      ["repository", toLine(fields.repository_url)],
      ["branch", toLine(fields.branch)],
      ["agent", toLine(fields.agent_type)],
      ["mode", toLine(fields.agent_mode)],
      ["model", toLine(fields.agent_model)],
      ["policy", fields.permission_policy],
      ["priority", fields.priority?.toString()],
      ["budget", fields.budget_usd === undefined ? undefined : `${fields.budget_usd} USD for each task`],
      ["placeholders", toLine(placeholders.join(", "))],
    ],
    style,
  );
  const prompt = toSafeText(fields.description).trim().replaceAll(/^/gm, "  ");
  return `${style.bold(toSingleLine(name))}\n${lines}\n${prompt}\n`;
}

async function setTemplate(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof SetOptions>>): Promise<void> {
  const { client, settings, terminal, folder } = cli;
  const { file, board, title, repo, agent, branch, mode, model, policy, priority, budget } = options;
  const description = await readPromptText(cli, { text: args[1], file });
  if (description === undefined)
    throw createUsageError("give a prompt: as an argument, as - for stdin, or with --file <path>");
  const fields = {
    description,
    title,
    repository_url: repo === undefined ? undefined : toRepositoryUrl(repo, folder),
    agent_type: agent,
    branch,
    agent_mode: mode,
    agent_model: model,
    permission_policy: policy,
    priority,
    budget_usd: budget,
  };
  const body = { name: args[0] ?? "", board_id: await findBoardId(cli, board), fields };
  const template = await client.call(api.setTemplate, { body });
  if (settings.json) return terminal.out(toJsonLine(template));
  const { name, placeholders } = template;
  const values = placeholders.map((one) => ` --set ${toSingleLine(one)}=…`).join("");
  terminal.out(
    `Saved the template '${toSingleLine(name)}'. Use it with \`wharf run --template ${toSingleLine(name)}${values}\`.\n`,
  );
}

async function removeTemplate(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof BoardOption>>,
): Promise<void> {
  const { client, settings, terminal } = cli;
  const template = await findTemplate(client, args[0] ?? "", await findBoardId(cli, options.board));
  await client.call(api.removeTemplate, { params: { template_id: template.id } });
  terminal.out(
    settings.json ? toJsonLine({ removed: template }) : `Removed the template '${toSingleLine(template.name)}'.\n`,
  );
}
