import { api, MaxRuns, type RunLimit, RunLimitInput, Tier, WharfError } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { createChoiceOption } from "../input/option-values.ts";
import { formatCount } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { readAllRows, readList } from "../server/lists.ts";
import { addListOptions, ListOptions, mentionMore } from "./list-options.ts";

const SetOptions = z.object({
  board: z.uuid("a full id (a UUID)").optional(),
  user: RunLimitInput.shape.user,
  tier: RunLimitInput.shape.tier,
  organization: z.boolean().default(false),
});

export function addLimit(program: Command, register: RegisterCommand): void {
  const group = program
    .command("limit")
    .summary("List and set how many turns run at the same time")
    .description("List the limits of running turns. The subcommands set and remove them.");
  addListOptions(group, "limits");
  register(addExamples(group, ["wharf limit"]), ListOptions, listLimits);
  const set = group
    .command("set")
    .option("--board <board>", "the limit of this board's tasks")
    .option("--user <user>", "the limit of what this user prompts, by name or id")
    .addOption(createChoiceOption("--tier <tier>", "the limit of turns on runners of this size", Tier.options))
    .option("--organization", "the limit of all tasks of the organization")
    .summary("Set how many turns run at the same time")
    .description("Set how many turns may run at the same time. Further ones wait in the queue; 0 starts none.")
    .argument("<turns>", "number of turns");
  const setLines = [
    "wharf limit set 2 --user ada",
    "wharf limit set 1 --tier large",
    "wharf limit set 0 --board 5f0c7a2e-4d1b-4c58-9a39-0d6f2b7e8c11",
  ];
  register(addExamples(set, setLines), SetOptions, setLimit);
  const rm = group
    .command("rm")
    .description("Remove a limit: the server's default applies again")
    .argument("<limit>", "id of the limit, or its beginning");
  register(addExamples(rm, ["wharf limit rm 3f1c2b7a"]), z.object({}), removeLimit);
}

async function listLimits(
  { client, settings, terminal, look }: Cli,
  { options }: CommandLineInput<ListOptions>,
): Promise<void> {
  const answer = await readList(client, api.listRunLimits, {}, options);
  if (settings.json) return terminal.out(toJsonLine(answer));
  const { per_user, per_board, per_organization } = answer.defaults;
  const defaults = [
    ["user", per_user],
    ["board", per_board],
    ["organization", per_organization],
  ] as const;
  const shownDefaults = defaults.flatMap(([scope, max]) =>
    max === undefined ? [] : [["default", scope, `WHARF_MAX_RUNS_PER_${scope.toUpperCase()}`, "–", String(max)]],
  );
  const rows = [...answer.limits.map(toCells), ...shownDefaults];
  if (rows.length === 0) return terminal.out("No limits. Set one with `wharf limit set`.\n");
  terminal.out(formatTable(["LIMIT", "FOR", "NAME", "RUNNING", "AT MOST"], rows, look));
  mentionMore({ terminal }, answer);
}

const toCells = ({ id, scope, name, running, max_runs }: RunLimit): string[] => [
  id.slice(0, 8),
  scope,
  toSingleLine(name, maxCellLength),
  String(running),
  String(max_runs),
];

async function setLimit(
  { client, settings, terminal }: Cli,
  { args, options: { board, user, tier, organization } }: CommandLineInput<z.infer<typeof SetOptions>>,
): Promise<void> {
  const targets = [board, user, tier, organization || undefined].filter((target) => target !== undefined);
  if (targets.length !== 1) throw createUsageError("give one of --board, --user, --tier and --organization");
  const maxRuns = parseTurns(args[0] ?? "");
  const limit = await client.call(api.setRunLimit, { body: { board_id: board, user, tier, max_runs: maxRuns } });
  if (settings.json) return terminal.out(toJsonLine(limit));
  terminal.out(
    `The ${limit.scope} '${toSingleLine(limit.name, maxCellLength)}' may run ${formatCount(limit.max_runs, "turn")} at the same time; ${limit.running} ${limit.running === 1 ? "runs" : "run"} now.\n`,
  );
}

function parseTurns(text: string): number {
  const parsed = MaxRuns.safeParse(/^\d+$/.test(text) ? Number(text) : undefined);
  if (parsed.success) return parsed.data;
  throw createUsageError(`<turns>: expected a number from 0 to 10000, got '${toSingleLine(text, 60)}'`);
}

async function removeLimit({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const id = args[0] ?? "";
  const limits = await readAllRows(client, api.listRunLimits, {});
  const matches = limits.filter((limit) => id.length >= 8 && limit.id.startsWith(id.toLowerCase()));
  if (matches.length > 1) throw new WharfError("ambiguous_id", { what: "limit", id });
  const [limit] = matches;
  if (!limit) throw new WharfError("run_limit_not_found", { id });
  await client.call(api.removeRunLimit, { params: { limit_id: limit.id } });
  terminal.out(settings.json ? toJsonLine({ removed: limit }) : `Removed the limit of the ${limit.scope}.\n`);
}
