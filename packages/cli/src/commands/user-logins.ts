import { api, type Invitation, InvitationSort, OrganizationRole } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples, createUserArgument } from "../help/examples.ts";
import { createChoiceOption } from "../input/option-values.ts";
import { printPersonLink } from "../login/person-link.ts";
import { formatAge } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable } from "../render/table.ts";
import { readList } from "../server/lists.ts";
import { getPublicUrl } from "../server/server-address.ts";
import { addListOptions, addSortOption, ListOptions, mentionMore } from "./list-options.ts";

const InviteOptions = z.object({ role: OrganizationRole.default("member") });
const InvitationListOptions = ListOptions.extend({ sort: InvitationSort.optional() });
const LinkOptions = z.object({ password: z.boolean().default(false) });

/** Adds the commands for invitations and logins to the group `user`. */
export function addUserLogins(group: Command, register: RegisterCommand): void {
  const invite = group
    .command("invite")
    .argument("<email>", "e-mail address of the person")
    .addOption(
      createChoiceOption("--role <role>", "role in the organization", OrganizationRole.options).default("member"),
    )
    .summary("Invite a person")
    .description(
      "Print a link with which a person joins the organization. Wharf sends no mail: send the link yourself.",
    );
  register(addExamples(invite, ["wharf user invite ada@example.com --role viewer"]), InviteOptions, inviteUser);
  const invitations = group.command("invitations").description("List the open invitations");
  addListOptions(addSortOption(invitations, InvitationSort.options), "invitations");
  register(addExamples(invitations, ["wharf user invitations"]), InvitationListOptions, listInvitations);
  const uninvite = group
    .command("uninvite")
    .argument("<invitation>", "id of the invitation")
    .description("Revoke an invitation");
  const id = "5f0c7a2e-4d1b-4c58-9a39-0d6f2b7e8c11";
  register(addExamples(uninvite, [`wharf user uninvite ${id}`]), z.object({}), revokeInvitation);
  const link = group
    .command("link")
    .addArgument(createUserArgument())
    .option("--password", "a link that sets a password and ends all logins")
    .summary("Print a login link")
    .description("Print a link that logs a person in once, or lets them set a password. Send it yourself.");
  register(addExamples(link, [`wharf user link ${id}`, `wharf user link ${id} --password`]), LinkOptions, linkUser);
  const logout = group.command("logout").addArgument(createUserArgument()).description("End all logins of a person");
  register(addExamples(logout, [`wharf user logout ${id}`]), z.object({}), logOutUser);
}

async function inviteUser(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.output<typeof InviteOptions>>,
): Promise<void> {
  const [email = ""] = args;
  const { path, ...invitation } = await client.call(api.createInvitation, { body: { email, role: options.role } });
  const link = (await getPublicUrl(settings)) + path;
  if (settings.json) return terminal.out(toJsonLine({ ...invitation, link }));
  terminal.out(`${toSingleLine(link, 600)}\n`);
  terminal.err(
    `Send this link to ${toSingleLine(invitation.email, 255)}: Wharf sends no mail. It works once, until ${toSingleLine(invitation.expires_at, 40)}.\n`,
  );
}

async function listInvitations(
  { client, settings, terminal, look }: Cli,
  { options: { sort, ...page } }: CommandLineInput<z.infer<typeof InvitationListOptions>>,
): Promise<void> {
  const answer = await readList(client, api.listInvitations, { query: { ...(sort && { sort }) } }, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  const { invitations } = answer;
  if (invitations.length === 0) return terminal.out("There are no open invitations.\n");
  terminal.out(formatTable(["ID", "E-MAIL", "ROLE", "CREATED", "EXPIRES"], invitations.map(toRow), look));
  mentionMore({ terminal }, answer);
}

const toRow = ({ id, email, role, created_at, expires_at }: Invitation): string[] => [
  id,
  toSingleLine(email, 255),
  role,
  formatAge(created_at),
  Date.parse(expires_at) < Date.now() ? "expired" : toSingleLine(expires_at, 40),
];

async function revokeInvitation(
  { client, settings, terminal }: Cli,
  { args }: CommandLineInput<object>,
): Promise<void> {
  const [id = ""] = args;
  await client.call(api.revokeInvitation, { params: { invitation_id: id } });
  terminal.out(settings.json ? toJsonLine({ revoked: id }) : "The invitation is revoked.\n");
}

async function linkUser(cli: Cli, { args, options }: CommandLineInput<z.output<typeof LinkOptions>>): Promise<void> {
  const [user = ""] = args;
  const kind = options.password ? "password" : "login";
  await printPersonLink(cli, await cli.client.call(api.createUserLink, { params: { user }, body: { kind } }));
}

async function logOutUser({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const [user = ""] = args;
  const { ended } = await client.call(api.endUserSessions, { params: { user } });
  terminal.out(settings.json ? toJsonLine({ ended }) : `Ended ${ended} login${ended === 1 ? "" : "s"}.\n`);
}
