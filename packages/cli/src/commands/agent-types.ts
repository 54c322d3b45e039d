import {
  AgentProtocol,
  type AgentType,
  AgentTypeInput,
  AgentTypeSort,
  AgentTypeUpdate,
  api,
  ResourceLimits,
} from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { readMcpServers } from "../input/mcp-file.ts";
import {
  createChoiceOption,
  createListOption,
  createDecimalSchema,
  createPairsSchema,
  variables,
} from "../input/option-values.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { type TableStyle, maxCellLength, formatTable } from "../render/table.ts";
import { readList } from "../server/lists.ts";
import { addAgentTest } from "./agent-test.ts";
import { addListOptions, addSortOption, ListOptions, mentionMore } from "./list-options.ts";

const { shape } = AgentTypeUpdate;
const { shape: shapeOfNew } = AgentTypeInput;
const Options = z.object({
  protocol: shape.protocol,
  env: variables,
  homeFile: createPairsSchema("PATH=FILE"),
  mcpServers: z.string().optional(),
  program: shapeOfNew.programs,
  route: shape.model_route,
  image: shape.docker_image,
  memory: createDecimalSchema({ min: 0.0625, max: 4096 }).optional(),
  description: shape.description,
});
const TypeListOptions = ListOptions.extend({ sort: AgentTypeSort.optional() });
const NewOptions = Options.extend({ organization: z.boolean().default(false) });
const ChangeOptions = Options.extend({ enable: z.boolean().default(false), disable: z.boolean().default(false) });

export function addAgentTypes(program: Command, register: RegisterCommand): void {
  const group = program
    .command("agent-types")
    .summary("List and configure agents")
    .description("List the agents, and whether the server can start them. The subcommands configure agents.");
  addListOptions(addSortOption(group, AgentTypeSort.options), "agents");
  register(addExamples(group, ["wharf agent-types", "wharf agent-types --json"]), TypeListOptions, listAgentTypes);
  const add = addTypeOptions(group.command("add"))
    .option("--organization", "only for your organization (default, unless you operate the server)")
    .summary("Add an agent")
    .description("Add an agent that starts with the given command. Options come before the command.")
    .argument("<name>", "name of the agent")
    .argument("<command...>", "program of the agent and its arguments");
  const addLines = [
    "wharf agent-types add goose goose acp",
    "wharf agent-types add review --protocol text review-agent --fast",
  ];
  register(addExamples(add, addLines), NewOptions, addType);
  const set = addTypeOptions(group.command("set"))
    .option("--enable", "allow new tasks to use the agent again")
    .option("--disable", "prevent new tasks from using the agent")
    .summary("Change an agent")
    .description("Change the given settings of an agent and keep the others")
    .argument("<name>", "name of the agent")
    .argument("[command...]", "new command of the agent");
  register(
    addExamples(set, ["wharf agent-types set goose --memory 4", "wharf agent-types set goose --disable"]),
    ChangeOptions,
    changeType,
  );
  addAgentTest(group, register);
  const rm = group.command("rm").description("Remove an agent that you added").argument("<name>", "name of the agent");
  register(addExamples(rm, ["wharf agent-types rm goose"]), z.object({}), removeType);
}

const addTypeOptions = (command: Command): Command =>
  command
    .addOption(
      createChoiceOption("--protocol <protocol>", "protocol of the agent (a new agent: acp)", AgentProtocol.options),
    )
    .addOption(
      createListOption(
        "--env <name=value>",
        "environment variable; ${WHARF_GATEWAY} is replaced by the address of the model gateway, ${WHARF_TOKEN} by a token for it",
      ),
    )
    .addOption(
      createListOption(
        "--home-file <path=file>",
        "file in the agent's home folder, read from a local file; placeholders as in --env",
      ),
    )
    .option(
      "--mcp-servers <file>",
      'MCP servers of the agent, as JSON: {"mcpServers": {"name": {"command", "args", "env"} or {"url", "headers"}}}',
    )
    .addOption(createListOption("--program <name>", "another program that the agent starts, such as pi for pi-acp"))
    .option("--route <route>", "model route of the agent: gemini, anthropic, openai or auto")
    .option("--image <name>", "image of the agent's runners, for containers and pods")
    .option("--memory <GiB>", "memory of the agent's runners (a new agent: 2)")
    .option("--description <text>", "description of the agent");

async function listAgentTypes(
  { client, settings, terminal, look }: Cli,
  { options: { sort, ...page } }: CommandLineInput<z.infer<typeof TypeListOptions>>,
): Promise<void> {
  const answer = await readList(client, api.listAgentTypes, { query: { ...(sort && { sort }) } }, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  terminal.out(formatAgentTypeTable(answer.agent_types, look));
  mentionMore({ terminal }, answer);
}

function formatAgentTypeTable(types: readonly AgentType[], look: TableStyle): string {
  const { style } = look;
  const rows = types.map((type) => [
    type.name,
    type.available ? style.green("yes") : style.dim("no"),
    type.protocol,
    toSingleLine(type.model_route ?? "–", 60),
    type.shared ? "server" : "organization",
    toSingleLine(
      type.available ? type.description || type.command.join(" ") : (type.unavailable_reason ?? ""),
      maxCellLength,
    ),
  ]);
  return formatTable(["NAME", "AVAILABLE", "PROTOCOL", "ROUTE", "OWNER", "DESCRIPTION, OR REASON"], rows, look);
}

async function addType(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof NewOptions>>): Promise<void> {
  const [name = "", ...command] = args;
  const { default_resources: named, ...fields } = await toTypeFields(cli, options);
  const defaultResources = ResourceLimits.parse({ ...shapeOfNew.default_resources.parse(undefined), ...named });
  const body = {
    name,
    command,
    ...fields,
    default_resources: defaultResources,
    ...(options.organization && { shared: false }),
  };
  showType(cli, await cli.client.call(api.createAgentType, { body }));
}

async function changeType(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof ChangeOptions>>): Promise<void> {
  const [typeId = "", ...command] = args;
  const { enable, disable, ...rest } = options;
  if (enable && disable) throw createUsageError("give --enable or --disable, not both");
  const body = {
    ...(await toTypeFields(cli, rest)),
    ...(command.length > 0 && { command }),
    ...(enable !== disable && { enabled: enable }),
  };
  if (Object.keys(body).length === 0) throw createUsageError("nothing to change: give a command or an option");
  showType(cli, await cli.client.call(api.updateAgentType, { params: { type_id: typeId }, body }));
}

async function removeType({ client, settings, terminal }: Cli, { args }: CommandLineInput<unknown>): Promise<void> {
  const [typeId = ""] = args;
  await client.call(api.deleteAgentType, { params: { type_id: typeId } });
  terminal.out(settings.json ? toJsonLine({ deleted: typeId }) : `Removed the agent '${typeId}'.\n`);
}

/** Converts the options into the server's fields; missing options stay missing. */
async function toTypeFields(
  cli: Cli,
  options: z.infer<typeof Options>,
): Promise<Omit<AgentTypeUpdate, "name" | "command">> {
  const { protocol, env, program, route, image, memory, description } = options;
  const homeFiles = await getHomeFiles(cli, options.homeFile);
  const mcpServers = await readMcpServers(cli, options.mcpServers);
  return {
    ...(protocol !== undefined && { protocol }),
    ...(Object.keys(env).length > 0 && { environment_vars: env }),
    ...(Object.keys(homeFiles).length > 0 && { home_files: homeFiles }),
    ...(mcpServers !== undefined && { mcp_servers: mcpServers }),
    ...(program.length > 0 && { programs: program }),
    ...(route !== undefined && { model_route: route }),
    ...(image !== undefined && parseImage(image)),
    ...(memory !== undefined && { default_resources: { memory: `${Math.round(memory * 1024)}m` } }),
    ...(description !== undefined && { description }),
  };
}

async function getHomeFiles(cli: Cli, paths: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const [path, file] of Object.entries(paths))
    files[path] = (await readPromptText(cli, { text: undefined, file, option: "--home-file" })) ?? "";
  return files;
}

/** A tag follows the last colon behind the registry's port; an address by digest has no tag. */
function parseImage(image: string): Pick<AgentTypeUpdate, "docker_image" | "docker_tag"> {
  const [, name = image, tag] = /^([^@]+?)(?::([\w.-]+))?$/.exec(image) ?? [];
  return tag === undefined ? { docker_image: image, docker_tag: "latest" } : { docker_image: name, docker_tag: tag };
}

function showType({ settings, terminal, look }: Cli, type: AgentType): void {
  if (settings.json) return terminal.out(toJsonLine(type));
  terminal.out(formatAgentTypeTable([type], look));
}
