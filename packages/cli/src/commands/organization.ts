import { api } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { parsePersonLink } from "../login/person-link.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";

const CreateOptions = z.object({ title: api.createOrganization.body.shape.name.optional() });

export function addOrganization(program: Command, register: RegisterCommand): void {
  const group = program
    .command("org")
    .summary("List, create and join organizations")
    .description(
      "List, create and join organizations. --org and WHARF_ORGANIZATION choose the one in which a command acts.",
    );
  addExamples(group, ["wharf org ls", "wharf org create acme"]);
  const ls = group.command("ls").description("List your organizations. A * marks the one in which commands act.");
  register(addExamples(ls, ["wharf org ls", "wharf org ls --org acme"]), z.object({}), listOrganizations);
  const create = group
    .command("create")
    .summary("Create an organization")
    .description("Create an organization with a first board. You become its admin. Only operators of the server may.")
    .argument("<slug>", "short name: lower-case letters, digits and hyphens")
    .option("--title <text>", "name for people (default: the short name)");
  const createLines = ["wharf org create acme", 'wharf org create acme --title "Acme Corp."'];
  register(addExamples(create, createLines), CreateOptions, createOrganization);
  const join = group
    .command("join")
    .summary("Join an organization")
    .description(
      "Join an organization with an invitation to the address of your account. Without an account, `wharf login <link>` creates one.",
    )
    .argument("<invitation-link>", "link that you got");
  const joinLines = ["wharf org join https://wharf.example.com/invitations/…"];
  register(addExamples(join, joinLines), z.object({}), joinOrganization);
}

async function joinOrganization(
  { client, settings, terminal }: Cli,
  { args }: CommandLineInput<object>,
): Promise<void> {
  const { kind, token } = parsePersonLink(args[0] ?? "");
  if (kind !== "invitations")
    throw createUsageError("this link is not an invitation; open it with `wharf login <link>`");
  const joined = await client.call(api.joinOrganization, { body: { token } });
  if (settings.json) return terminal.out(toJsonLine(joined));
  const slug = toSingleLine(joined.slug);
  terminal.out(`You joined the organization '${slug}' as ${joined.role}. Act in it with \`--org ${slug}\`.\n`);
}

async function listOrganizations({ client, settings, terminal, look }: Cli): Promise<void> {
  const { organization, organizations } = await client.call(api.whoami, {});
  if (settings.json) return terminal.out(toJsonLine({ organizations }));
  const rows = organizations.map(({ id, slug, name, role }) => [
    id === organization.id ? "*" : "",
    toSingleLine(slug),
    role,
    toSingleLine(name, maxCellLength),
  ]);
  terminal.out(formatTable(["", "ORGANIZATION", "YOUR ROLE", "NAME"], rows, look));
}

async function createOrganization(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof CreateOptions>>,
): Promise<void> {
  const [slug = ""] = args;
  const created = await client.call(api.createOrganization, { body: { slug, name: options.title ?? slug } });
  if (settings.json) return terminal.out(toJsonLine(created));
  terminal.out(
    `Created the organization '${toSingleLine(created.slug)}'. Act in it with \`--org ${toSingleLine(created.slug)}\`.\n`,
  );
}
