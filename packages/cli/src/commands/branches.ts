import { api } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { createIntegerSchema } from "../input/option-values.ts";
import { toRepositoryUrl } from "../input/repository.ts";
import { toSingleLine } from "../render/safe-text.ts";

const Options = z.object({
  text: z.string().max(250).optional(),
  limit: createIntegerSchema({ min: 1, max: 1_000 }),
});

const maxNameLength = 250;

export function addBranches(program: Command, register: RegisterCommand): void {
  const command = program
    .command("branches")
    .argument("<repository>", "path or URL")
    .summary("List the branches of a repository")
    .description("List the branches of a repository from which a task can start, as the server sees them")
    .option("--text <text>", "only branches with this text in their name")
    .option("-l, --limit <n>", "maximum number of branches", "100");
  const lines = ["wharf branches .", "wharf branches https://github.com/acme/shop.git --text release"];
  register(addExamples(command, lines), Options, listBranches);
}

async function listBranches(
  { client, settings, terminal, folder }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof Options>>,
): Promise<void> {
  const [repository = "."] = args;
  const url = toRepositoryUrl(repository, folder);
  const answer = await client.call(api.listRepositoryBranches, { query: { ...options, url } });
  if (settings.json) return terminal.out(toJsonLine(answer));
  const { branches, default_branch: defaultBranch } = answer;
  if (branches.length === 0) return terminal.err("No branch has this text in its name.\n");
  const toLine = (name: string) =>
    `${toSingleLine(name, maxNameLength)}${name === defaultBranch ? terminal.style.dim(" (default)") : ""}\n`;
  terminal.out(branches.map(toLine).join(""));
  if (answer.has_more) terminal.err("There are more branches: add --text, or a higher --limit.\n");
}
