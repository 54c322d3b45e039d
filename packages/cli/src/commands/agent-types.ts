import { type AgentType, AgentTypeInput, api } from "@wharf/contract";
import { type Command, Option } from "commander";
import { z } from "zod";
import { type Cli, type Input, jsonLine, type Register } from "../cli.ts";
import { usageError } from "../failure.ts";
import { oneLine } from "../render/clean.ts";
import { table } from "../render/table.ts";

const AddOptions = z.object({
  protocol: AgentTypeInput.shape.protocol,
  env: z.array(z.string()).default([]),
  route: z.string().optional(),
  description: z.string().optional(),
});

export function addAgentTypes(program: Command, register: Register): void {
  const group = program
    .command("agent-types")
    .description("the agents that can be chosen, and which of them can start here");
  register(group, z.object({}), list);
  const add = group
    .command("add <name> <command...>")
    .description("add an agent by its command line: wharf agent-types add mine -- my-agent --acp")
    .addOption(
      new Option("--protocol <protocol>", "how it talks").choices(["acp", "json-lines", "text"]).default("acp"),
    )
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

const collect = (value: string, all: string[]): string[] => [...all, value];

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
    environment_vars: Object.fromEntries(options.env.map(variable)),
    ...(options.route !== undefined && { model_route: options.route }),
    ...(options.description !== undefined && { description: options.description }),
  };
  const type = await client.call(api.createAgentType, { body });
  if (settings.json) return terminal.out(jsonLine(type));
  terminal.out(agentTypeTable([type], terminal.style));
}

function variable(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw usageError(`--env takes NAME=VALUE, not '${text}'`);
  return [text.slice(0, at), text.slice(at + 1)];
}
