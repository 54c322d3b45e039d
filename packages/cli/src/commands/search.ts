import { api, SearchKind, TaskInput, TaskState } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { createChoiceOption, createIntegerSchema, createListOption } from "../input/option-values.ts";
import { TimeOption } from "../input/time-option.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatSearchResult } from "../render/search.ts";
import { findBoard } from "../tasks/find-board.ts";

const Options = z.object({
  board: z.string().optional(),
  state: z.array(TaskState).optional(),
  kind: SearchKind.optional(),
  agent: TaskInput.shape.agent_type,
  since: TimeOption.optional(),
  until: TimeOption.optional(),
  limit: createIntegerSchema({ min: 1, max: 100 }),
  cursor: z.string().max(500).optional(),
});

export function addSearch(program: Command, register: RegisterCommand): void {
  const search = program
    .command("search")
    .summary("Search tasks and their logs")
    .description(
      'Search the titles, descriptions, comments and logs of tasks, best matches first. All words must occur: "or" between words allows either, quotes keep words together, and - before a word excludes it.',
    )
    .argument("<words...>", "the words; after -- a word may begin with -")
    .option("--board <board>", "only this board, by name or id")
    .addOption(createListOption("--state <state>", "only tasks in this state", { choices: TaskState.options }))
    .addOption(
      createChoiceOption("--kind <kind>", "only titles and descriptions, comments, or logs", SearchKind.options),
    )
    .option("--agent <name>", "only tasks of this agent")
    .option("--since <time>", "only texts of then or later")
    .option("--until <time>", "only texts before then")
    .option("-l, --limit <n>", "maximum number of results", "20")
    .option("--cursor <cursor>", "continue after an earlier page");
  const lines = [
    "wharf search timeout",
    "wharf search '\"connection refused\"' --kind log",
    "wharf search -- flaky -fixed",
  ];
  register(addExamples(search, lines), Options, searchTasks);
}

async function searchTasks(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof Options>>,
): Promise<void> {
  const { board, agent, ...filters } = options;
  const boardId = board === undefined ? undefined : (await findBoard(client, board)).id;
  const query = { ...filters, text: args.join(" "), board_id: boardId, agent_type: agent };
  const answer = await client.call(api.search, { query });
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.results.length === 0)
    return terminal.err("Nothing was found. Texts can be found a few seconds after they were written.\n");
  terminal.out(answer.results.map((result) => formatSearchResult(result, terminal.style)).join("\n"));
  if (answer.capped) terminal.err("There are older matches, too. These are the best of the newest ones.\n");
  if (answer.next_cursor !== undefined)
    terminal.err(`More results: add --cursor ${toSingleLine(answer.next_cursor, 500)}\n`);
}
