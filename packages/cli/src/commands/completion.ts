import { api, runnerApi } from "@wharf/contract";
import { Argument, type Command } from "commander";
import { z } from "zod";
import type { Cli, CommandLineInput, RegisterCommand } from "../cli.ts";
import { createScript, shells } from "../completion/scripts.ts";
import { toShortId } from "../tasks.ts";

const kinds = ["task", "runner", "agent"] as const;
const maxIds = 100;
/** The limit is short because the user is waiting at a half-typed line. */
const timeoutMs = 3_000;

export function addCompletion(program: Command, register: RegisterCommand): void {
  const group = program.command("completion").description("completion of commands, options and ids for your shell");
  for (const shell of shells) {
    const command = group.command(shell).description(`the script for ${shell}; ${installWords[shell]}`);
    register(command, z.object({}), async ({ terminal }) => terminal.out(createScript(shell, program)), {
      isLocal: true,
    });
  }
  const ids = group
    .command("ids")
    .addArgument(new Argument("<kind>", "of what").argParser((text) => text).choices(kinds))
    .description("the ids that the scripts offer");
  register(ids, z.object({}), printIds);
}

const installWords = {
  bash: "put `source <(wharf completion bash)` into ~/.bashrc",
  zsh: "put `source <(wharf completion zsh)` into ~/.zshrc, behind compinit",
  fish: "put `wharf completion fish | source` into ~/.config/fish/config.fish",
} as const;

async function printIds(cli: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const ids = await getIds(cli, kinds.find((kind) => kind === args[0]) ?? "task");
  cli.terminal.out(ids.map((id) => `${id}\n`).join(""));
}

async function getIds({ client }: Cli, kind: (typeof kinds)[number]): Promise<string[]> {
  const query = { limit: maxIds };
  if (kind === "task")
    return (await client.call(api.listTasks, { query }, { timeoutMs })).tasks.map(({ id }) => toShortId(id));
  if (kind === "runner")
    return (await client.call(runnerApi.listRunners, { query }, { timeoutMs })).runners.map(({ id }) => toShortId(id));
  return (await client.call(api.listAgentTypes, {}, { timeoutMs })).agent_types.map(({ name }) => name);
}
