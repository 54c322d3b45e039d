import { api, runnerApi } from "@wharf/contract";
import { Argument, type Command } from "commander";
import { z } from "zod";
import type { Cli, CommandLineInput, RegisterCommand } from "../cli.ts";
import { createScript, shells } from "../completion/scripts.ts";
import { addExamples } from "../help/examples.ts";
import { readAllRows } from "../server/lists.ts";
import { toShortId } from "../tasks/tasks.ts";

const kinds = ["task", "runner", "workspace", "agent", "board", "user", "token"] as const;
const maxIds = 100;
/** The limit is short because the user is waiting at a half-typed line. */
const timeoutMs = 3_000;

export function addCompletion(program: Command, register: RegisterCommand): void {
  const group = addExamples(program.command("completion").description("Print shell completion scripts"), [
    "source <(wharf completion bash)",
  ]);
  for (const shell of shells) {
    const { install, where } = installLines[shell];
    const command = group
      .command(shell)
      .summary(`Print the completion script for ${shell}`)
      .description(`Print the completion script for ${shell}. To enable it, add the line below to ${where}.`);
    register(
      addExamples(command, [install]),
      z.object({}),
      async ({ terminal }) => terminal.out(createScript(shell, program)),
      { isLocal: true },
    );
  }
  const ids = group
    .command("ids")
    .description("Print the ids that the completion scripts offer")
    .addArgument(new Argument("<kind>", "kind of the ids").argParser((text) => text).choices(kinds));
  register(addExamples(ids, ["wharf completion ids task"]), z.object({}), printIds);
}

const installLines = {
  bash: { install: "source <(wharf completion bash)", where: "~/.bashrc" },
  zsh: { install: "source <(wharf completion zsh)", where: "~/.zshrc, after compinit" },
  fish: { install: "wharf completion fish | source", where: "~/.config/fish/config.fish" },
} as const;

async function printIds(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const ids = await getIds(cli, kinds.find((kind) => kind === args[0]) ?? "task");
  cli.terminal.out(ids.map((id) => `${id}\n`).join(""));
}

async function getIds(cli: Cli, kind: (typeof kinds)[number]): Promise<string[]> {
  const { client } = cli;
  if (kind === "workspace") return [...(await getIds(cli, "task")), ...(await getIds(cli, "runner"))];
  const query = { limit: maxIds };
  if (kind === "task")
    return (await client.call(api.listTasks, { query }, { timeoutMs })).tasks.map(({ id }) => toShortId(id));
  if (kind === "runner")
    return (await client.call(runnerApi.listRunners, { query }, { timeoutMs })).runners.map(({ id }) => toShortId(id));
  // A name of a board may have spaces; the full id is accepted wherever a board is named.
  if (kind === "board") return (await readAllRows(client, api.listBoards, {}, { timeoutMs })).map(({ id }) => id);
  if (kind === "user")
    return (await readAllRows(client, api.listMembers, {}, { timeoutMs })).map(({ username }) => username);
  if (kind === "token")
    return (await readAllRows(client, api.listAccessTokens, {}, { timeoutMs })).map(({ id }) => toShortId(id));
  return (await readAllRows(client, api.listAgentTypes, {}, { timeoutMs })).map(({ name }) => name);
}
