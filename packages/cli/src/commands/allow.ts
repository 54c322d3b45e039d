import { type AllowedHost, AllowedHostInput, api, type DeniedHost, WharfError } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { formatAge } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable } from "../render/table.ts";
import { readAllRows, readList } from "../server/lists.ts";
import { addListOptions, ListOptions, mentionMore } from "./list-options.ts";

const Options = ListOptions.extend({
  task: z.string().optional(),
  agent: AllowedHostInput.shape.agent_type,
  private: z.boolean().default(false),
  remove: z.boolean().default(false),
});
type Options = z.infer<typeof Options>;

export function addAllow(program: Command, register: RegisterCommand): void {
  const command = program
    .command("allow")
    .argument("[hosts...]", "host such as example.com, *.example.com or example.com:8443, or a preset such as npm")
    .option("--task <task>", "only for runners of this task")
    .option("--agent <name>", "only for runners of this agent")
    .option("--private", "also if the host has an address of a private network")
    .option("--remove", "remove the hosts from the list");
  addListOptions(command, "entries of each list")
    .summary("Allow runners to reach hosts")
    .description(
      "Allow runners to reach hosts, such as package registries. Without hosts: list what is allowed, the presets, and what runners asked for in vain.",
    );
  const lines = [
    "wharf allow",
    "wharf allow npm pypi",
    "wharf allow files.example.com --task 8c942c99",
    "wharf allow registry.corp.example:8443 --private",
    "wharf allow npm --remove",
  ];
  register(addExamples(command, lines), Options, allowHosts);
}

async function allowHosts(cli: Cli, { args, options }: CommandLineInput<Options>): Promise<void> {
  if (options.task !== undefined && options.agent !== undefined)
    throw createUsageError("give --task or --agent, not both");
  if (args.length === 0) return listHosts(cli, options);
  const { client, settings, terminal } = cli;
  const scope = await getScope(cli, options);
  for (const entry of args) {
    if (options.remove) {
      const removed = await removeEntry(cli, entry, scope);
      terminal.out(settings.json ? toJsonLine({ removed }) : `Removed ${entry}. Open connections continue.\n`);
      continue;
    }
    const body = { entry, allows_private: options.private, ...scope };
    const added = await client.call(api.allowHost, { body });
    terminal.out(settings.json ? toJsonLine(added) : `${formatScope(added)} may reach ${formatEntry(added)} now.\n`);
  }
}

type Scope = Pick<AllowedHost, "task_id" | "agent_type">;

async function getScope({ client }: Cli, { task, agent }: Options): Promise<Scope> {
  if (agent !== undefined) return { agent_type: agent };
  if (task === undefined) return {};
  return { task_id: (await client.call(api.getTask, { params: { task_id: task } })).id };
}

async function removeEntry({ client }: Cli, entry: string, { task_id, agent_type }: Scope): Promise<AllowedHost> {
  const allowedHosts = await readAllRows(client, api.listAllowedHosts, {});
  const isSame = (one: AllowedHost) =>
    one.entry === entry.toLowerCase() && one.task_id === task_id && one.agent_type === agent_type;
  const match = allowedHosts.find((one) => isSame(one) && one.id !== undefined);
  if (match?.id === undefined) {
    if (allowedHosts.some(isSame))
      throw createUsageError(`${entry} comes from WHARF_RUNNER_HOSTS: change the setting and restart the server`);
    throw new WharfError("allowed_host_not_found", { id: entry });
  }
  await client.call(api.removeAllowedHost, { params: { allowed_host_id: match.id } });
  return match;
}

async function listHosts(cli: Cli, options: Options): Promise<void> {
  const { client, settings, terminal, look } = cli;
  const { task_id } = await getScope(cli, options);
  const query = task_id === undefined ? {} : { task_id };
  const [allowed, denied] = await Promise.all([
    readList(client, api.listAllowedHosts, { query }, options),
    readList(client, api.listDeniedHosts, { query }, options),
  ]);
  const { allowed_hosts, presets } = allowed;
  const { denied_hosts } = denied;
  if (settings.json) return terminal.out(toJsonLine({ allowed_hosts, presets, denied_hosts }));
  const { style } = look;
  if (allowed_hosts.length === 0) terminal.out("Runners reach no hosts besides their model and their repository.\n");
  else terminal.out(formatTable(["ALLOWED", "FOR", "PRIVATE", "SOURCE"], allowed_hosts.map(toAllowedRow), look));
  const presetRows = presets.map(({ name, summary, hosts }) =>
    [name, summary, hosts.join(", ")].map((cell) => toSingleLine(cell, 500)),
  );
  terminal.out(`\n${formatTable(["PRESET", "FOR", "HOSTS"], presetRows, look)}`);
  mentionMore(cli, { next_cursor: allowed.next_cursor ?? denied.next_cursor });
  if (denied_hosts.length === 0) return;
  terminal.out(
    `\n${formatTable(["DENIED", "TASK", "ATTEMPTS", "LAST", "REASON"], denied_hosts.map(toDeniedRow), look)}`,
  );
  const [first] = denied_hosts;
  const example = `wharf allow ${toSingleLine(first?.entry ?? "", 260)}${first?.allows_private ? " --private" : ""} --task ${first?.task_id.slice(0, 8)}`;
  terminal.out(style.dim(`Allow one with, for example, \`${example}\`.\n`));
}

function formatEntry({ entry, hosts }: AllowedHost): string {
  const name = toSingleLine(entry, 260);
  return hosts.length > 1 ? `${name} (${toSingleLine(hosts.join(", "), 1000)})` : name;
}

const toAllowedRow = (host: AllowedHost): string[] => [
  toSingleLine(host.entry, 260),
  formatScope(host),
  host.allows_private ? "yes" : "no",
  host.source === "setting" ? "WHARF_RUNNER_HOSTS" : "person",
];

const toDeniedRow = ({ entry, task_id, attempts, last_at, reason }: DeniedHost): string[] => [
  toSingleLine(entry, 260),
  task_id.slice(0, 8),
  String(attempts),
  formatAge(last_at),
  toSingleLine(reason, 200),
];

function formatScope({ task_id, agent_type }: Scope): string {
  if (task_id !== undefined) return `Runners of task ${task_id.slice(0, 8)}`;
  return agent_type === undefined ? "All runners" : `Runners of the agent '${toSingleLine(agent_type, 100)}'`;
}
