import { AgentProtocol, type AgentType, AgentTypeInput, api } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type Input, jsonLine, type Register } from "../cli.ts";
import { choiceOption, collect, variables } from "../option-values.ts";
import { oneLine } from "../render/clean.ts";
import { table } from "../render/table.ts";

const AddOptions = z.object({
  protocol: AgentTypeInput.shape.protocol,
  env: variables,
  route: AgentTypeInput.shape.model_route,
  description: AgentTypeInput.shape.description.optional(),
});

export function addAgentTypes(program: Command, register: Register): void {
  const group = program
    .command("agent-types")
    .description("the agents that can be chosen, and which of them can start here");
  register(group, z.object({}), list);
  const add = group
    .command("add <name> <command...>")
    .description("add an agent by its command line: wharf agent-types add mine -- my-agent --acp")
    .addOption(choiceOption("--protocol <protocol>", "how it talks", AgentProtocol.options).default("acp"))
    .option(
      "--env <name=value>",
      "a variable for it; ${WHARF_GATEWAY} and ${WHARF_TOKEN} stand for the way to models (may be given again)",
      collect,
      [],
    )
    .option("--route <route>", "the model route it may use: gemini, anthropic, openai or auto")
    .option("--description <text>", "what it is");
  register(add, AddOptions, addType);
}

async function list({ client, settings, terminal }: Cli): Promise<void> {
  const answer = await client.call(api.listAgentTypes, {});
  if (settings.json) return terminal.out(jsonLine(answer));
  terminal.out(agentTypeTable(answer.agent_types, terminal.style));
}

function agentTypeTable(types: readonly AgentType[], style: Cli["terminal"]["style"]): string {
  const rows = types.map((type) => [
    type.name,
    type.available ? style.green("yes") : style.dim("no"),
    type.protocol,
    type.model_route ?? "–",
    oneLine(type.available ? type.description || type.command.join(" ") : (type.unavailable_reason ?? ""), 110),
  ]);
  return table(["NAME", "HERE", "PROTOCOL", "ROUTE", "WHAT IT IS, OR WHY NOT"], rows, style);
}

async function addType(
  { client, settings, terminal }: Cli,
  { args, options }: Input<z.infer<typeof AddOptions>>,
): Promise<void> {
  const [name = "", ...command] = args;
  const body = {
    name,
    command,
    protocol: options.protocol,
    environment_vars: options.env,
    ...(options.route !== undefined && { model_route: options.route }),
    ...(options.description !== undefined && { description: options.description }),
  };
  const type = await client.call(api.createAgentType, { body });
  if (settings.json) return terminal.out(jsonLine(type));
  terminal.out(agentTypeTable([type], terminal.style));
}
