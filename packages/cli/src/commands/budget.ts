import { api, type Budget, BudgetAction, BudgetAmount, BudgetInput, BudgetPeriod, WharfError } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { createChoiceOption, createDecimalSchema } from "../input/option-values.ts";
import { formatDollars } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { readAllRows, readList } from "../server/lists.ts";
import { addListOptions, ListOptions, mentionMore } from "./list-options.ts";

const BudgetListOptions = ListOptions.extend({ for: z.string().optional() });
const SetOptions = z.object({
  task: z.string().optional(),
  board: z.uuid("a full id (a UUID)").optional(),
  user: BudgetInput.shape.user,
  organization: z.boolean().default(false),
  period: BudgetPeriod.default("total"),
  action: BudgetAction.optional(),
  warn: createDecimalSchema({ min: 0.01, max: 1 }).optional(),
});
type SetOptions = z.infer<typeof SetOptions>;

export function addBudget(program: Command, register: RegisterCommand): void {
  const group = program
    .command("budget")
    .option("--for <task>", "only the budgets that apply to this task")
    .summary("List and set what models may cost")
    .description("List the budgets with what was spent. The subcommands set and remove them.");
  addListOptions(group, "budgets");
  register(addExamples(group, ["wharf budget", "wharf budget --for 8c942c99"]), BudgetListOptions, listBudgets);
  const set = group
    .command("set")
    .option("--task <task>", "the budget of this task")
    .option("--board <board>", "the budget of this board's tasks")
    .option("--user <user>", "the budget of what this user prompts, by name or id")
    .option("--organization", "the budget of all runs")
    .addOption(
      createChoiceOption("--period <period>", "when spending starts again at zero (UTC)", BudgetPeriod.options),
    )
    .addOption(
      createChoiceOption("--action <action>", "what happens at the limit (a new budget: pause)", BudgetAction.options),
    )
    .option("--warn <share>", "part of the amount at which the log warns (a new budget: 0.8)")
    .summary("Set what models may cost")
    .description(
      "Set what models may cost, in US dollars. At the limit, `warn` only logs, `pause` refuses requests until somebody raises the budget, and `stop` also ends the run.",
    )
    .argument("<amount>", "US dollars, such as 5 or 2.50");
  const setLines = [
    "wharf budget set --task 8c942c99 5",
    "wharf budget set --organization 100 --period month",
    "wharf budget set --user ada 20 --period day --action stop --warn 0.5",
  ];
  register(addExamples(set, setLines), SetOptions, setBudget);
  const rm = group
    .command("rm")
    .description("Remove a budget")
    .argument("<budget>", "id of the budget, or its beginning");
  register(addExamples(rm, ["wharf budget rm 3f1c2b7a"]), z.object({}), removeBudget);
}

async function listBudgets(
  { client, settings, terminal, look }: Cli,
  { options: { for: task, ...page } }: CommandLineInput<z.infer<typeof BudgetListOptions>>,
): Promise<void> {
  const query =
    task === undefined ? {} : { task_id: (await client.call(api.getTask, { params: { task_id: task } })).id };
  const answer = await readList(client, api.listBudgets, { query }, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.budgets.length === 0) return terminal.out("No budgets. Set one with `wharf budget set`.\n");
  const header = ["BUDGET", "FOR", "NAME", "PERIOD", "SPENT", "RESERVED", "LIMIT", "USED", "AT THE LIMIT"];
  terminal.out(formatTable(header, answer.budgets.map(toCells), look));
  mentionMore({ terminal }, answer);
}

const toCells = (budget: Budget): string[] => [
  budget.source === "setting" ? "WHARF_TASK_BUDGET" : budget.id.slice(0, 8),
  budget.scope,
  toSingleLine(budget.name, maxCellLength),
  budget.period,
  formatDollars(budget.spent_usd),
  formatDollars(budget.reserved_usd),
  formatDollars(budget.amount_usd),
  budget.amount_usd === 0 ? "–" : `${Math.round((budget.spent_usd / budget.amount_usd) * 100)} %`,
  budget.action,
];

async function setBudget(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<SetOptions>,
): Promise<void> {
  const { task, board, user, organization, period, action, warn } = options;
  const targets = [task, board, user, organization || undefined].filter((target) => target !== undefined);
  if (targets.length !== 1) throw createUsageError("give one of --task, --board, --user and --organization");
  const amount = parseAmount(args[0] ?? "");
  const taskId = task === undefined ? undefined : (await client.call(api.getTask, { params: { task_id: task } })).id;
  const budget = await client.call(api.setBudget, {
    body: { task_id: taskId, board_id: board, user, amount_usd: amount, period, action, warn_share: warn },
  });
  if (settings.json) return terminal.out(toJsonLine(budget));
  const { scope, name, amount_usd, spent_usd } = budget;
  const span = period === "total" ? "" : ` a ${period}`;
  terminal.out(
    `The ${scope} '${toSingleLine(name, maxCellLength)}' may spend ${formatDollars(amount_usd)}${span}; ${formatDollars(spent_usd)} is spent.\n`,
  );
}

function parseAmount(text: string): number {
  const parsed = BudgetAmount.safeParse(/^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined);
  if (parsed.success) return parsed.data;
  throw createUsageError(`<amount>: expected US dollars such as 5 or 2.50, got '${toSingleLine(text, 60)}'`);
}

async function removeBudget({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const id = args[0] ?? "";
  const budgets = await readAllRows(client, api.listBudgets, {});
  const matches = budgets.filter((budget) => id.length >= 8 && budget.id.startsWith(id.toLowerCase()));
  if (matches.length > 1) throw new WharfError("ambiguous_id", { what: "budget", id });
  const [budget] = matches;
  if (!budget) throw new WharfError("budget_not_found", { id });
  await client.call(api.removeBudget, { params: { budget_id: budget.id } });
  terminal.out(settings.json ? toJsonLine({ removed: budget }) : `Removed the budget of the ${budget.scope}.\n`);
}
