import { api, type Member, OrganizationRole, PeopleSort } from "@wharf/contract";
import { Argument, type Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples, createUserArgument } from "../help/examples.ts";
import { createChoiceOption } from "../input/option-values.ts";
import { formatAge } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { readList } from "../server/lists.ts";
import { addListOptions, addSortOption, ListOptions, mentionMore } from "./list-options.ts";
import { addUserLogins } from "./user-logins.ts";

const AddOptions = z.object({
  role: OrganizationRole.optional(),
  email: z.email("an e-mail address").max(255).optional(),
  service: z.boolean().default(false),
});
const UserListOptions = ListOptions.extend({ sort: PeopleSort.optional() });
const None = z.object({});

export function addUser(program: Command, register: RegisterCommand): void {
  const group = program
    .command("user")
    .summary("Manage the users of an organization")
    .description(
      "Manage the users of an organization. Admins may do everything in it, members work on the boards that are shared with them, and viewers read those.",
    );
  addExamples(group, ["wharf user ls", "wharf user add ada --role admin"]);
  const ls = group.command("ls").description("List the users of the organization");
  addListOptions(addSortOption(ls, PeopleSort.options), "users");
  register(addExamples(ls, ["wharf user ls"]), UserListOptions, listUsers);
  const add = group
    .command("add")
    .summary("Add a user to the organization")
    .description(
      "Add a user to the organization, and create the user unless the name exists. `wharf token create` gives the user a token.",
    )
    .argument("<username>", "name of the user: lower-case letters, digits, . _ -")
    .addOption(
      createChoiceOption("--role <role>", "role in the organization (default: member)", OrganizationRole.options),
    )
    .option("--email <address>", "e-mail address of the user")
    .option("--service", "the user is a program, which has tokens but no login");
  const addLines = ["wharf user add ada --email ada@example.com", "wharf user add nightly-build --service"];
  register(addExamples(add, addLines), AddOptions, addMember);
  const role = group
    .command("role")
    .description("Change a user's role in the organization")
    .addArgument(createUserArgument())
    .addArgument(new Argument("<role>", "new role").choices(OrganizationRole.options));
  register(addExamples(role, ["wharf user role ada admin"]), None, setRole);
  const rm = group
    .command("rm")
    .summary("Remove a user from the organization")
    .description("Remove a user from the organization and its boards, and revoke their tokens there.")
    .addArgument(createUserArgument());
  register(addExamples(rm, ["wharf user rm ada"]), None, removeUser);
  addUserLogins(group, register);
}

async function listUsers(
  { client, settings, terminal, look }: Cli,
  { options: { sort, ...page } }: CommandLineInput<z.infer<typeof UserListOptions>>,
): Promise<void> {
  const answer = await readList(client, api.listMembers, { query: { ...(sort && { sort }) } }, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  const rows = answer.users.map((user) => [
    toSingleLine(user.username),
    user.role,
    user.is_service ? "program" : "person",
    formatAge(user.created_at),
    toSingleLine(user.email, maxCellLength),
  ]);
  terminal.out(formatTable(["USER", "ROLE", "KIND", "ADDED", "E-MAIL"], rows, look));
  mentionMore({ terminal }, answer);
}

async function addMember(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof AddOptions>>): Promise<void> {
  const { role, email, service } = options;
  const body = { username: args[0] ?? "", role, email, is_service: service };
  const user = await cli.client.call(api.addMember, { body });
  showUser(cli, user);
  if (!cli.settings.json)
    cli.terminal.err(`Create a token with \`wharf token create <name> --user ${toSingleLine(user.username)}\`.\n`);
}

async function setRole(cli: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const [user = "", role] = args;
  showUser(
    cli,
    await cli.client.call(api.setMemberRole, { params: { user }, body: { role: OrganizationRole.parse(role) } }),
  );
}

async function removeUser({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const [user = ""] = args;
  await client.call(api.removeMember, { params: { user } });
  terminal.out(
    settings.json
      ? toJsonLine({ removed: user })
      : `Removed '${toSingleLine(user)}' from the organization. Their tokens for it are revoked.\n`,
  );
}

function showUser({ settings, terminal }: Cli, user: Member): void {
  if (settings.json) return terminal.out(toJsonLine(user));
  const kind = user.is_service ? "The program" : "The user";
  terminal.out(`${kind} '${toSingleLine(user.username)}' has the role ${user.role} now.\n`);
}
